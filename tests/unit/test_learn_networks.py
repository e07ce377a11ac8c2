"""Layers and networks: shapes, noise, weight norm, members, the user's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from ssgan.errors import ParamsError
from ssgan.learn import flat
from ssgan.learn.backend import Draws, constant, keras, slope
from ssgan.learn.heads import ClassHead, Head, head_for
from ssgan.learn.layers import ChannelDropout, Dropout, Noise, Periodic, PiecewiseLinear, RawRow, TableRow
from ssgan.learn.networks import discriminator, fold, generator, initialise, start_at
from ssgan.learn.normed import Normed, NormedConv, NormedDeconv, NormedDense
from ssgan.learn.tables import is_light
from ssgan.learn.theirs import source_digest
from tests.unit import learner

RNG = np.random.default_rng(0)
MAKERS = [learner.classes, learner.values, learner.images]


@dataclass(frozen=True)
class Knobs:
    hidden: tuple[int, ...] = (16, 16)
    members: int = 1
    weight_norm: bool = False
    noise: float = 0.15
    networks: str | None = None
    embedding: Literal["piecewise", "periodic", "none"] = "piecewise"
    batch: int = 64


def array(x: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))


def net_of(case: learner.Case, knobs: Knobs = Knobs(), seed: int = 0) -> Any:  # noqa: B008
    return discriminator(case.encoder, head_for(case.contract, case.y), knobs, Draws(0), seed)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("knobs", [Knobs(), Knobs(weight_norm=True), Knobs(members=3, weight_norm=True)])
def test_rows_do_not_see_one_another(make: Callable[[], learner.Case], knobs: Knobs) -> None:
    case = make()
    net = net_of(case, knobs)
    assert not [layer for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization)]
    alone, together = net(case.x[:1], training=False)[1], net(case.x[:20], training=False)[1]
    assert np.allclose(array(alone), array(together)[:1], atol=1e-5)


@pytest.mark.parametrize("weight_norm", [False, True])
@pytest.mark.parametrize(
    ("height", "width", "channels"), [(8, 8, 1), (28, 28, 1), (17, 9, 3), (32, 8, 3), (32, 32, 3), (64, 64, 3)]
)
def test_images_of_any_size_pass_through_both_networks(
    height: int, width: int, channels: int, weight_norm: bool
) -> None:
    case = learner.images(height, width, channels, rows=4)
    features, outputs = net_of(case, Knobs(weight_norm=weight_norm))(case.x, training=False)
    assert features.shape[0] == outputs.shape[0] == 4
    assert len(features.shape) == 2
    z = constant(RNG.uniform(-1, 1, (3, 64)).astype(np.float32))
    fakes = array(generator(case.encoder, Knobs(), 0)(z, training=True))
    assert fakes.shape == (3, height, width, channels)
    assert np.abs(fakes).max() <= 1


@pytest.mark.parametrize(
    ("size", "channels", "networks", "millions"),
    [(8, 1, None, 0.5), (28, 1, None, 2.2), (32, 3, None, 3.0), (32, 3, "ssgan.learn.deep", 70)],
)
def test_what_an_image_costs_is_what_the_docs_say(
    size: int, channels: int, networks: str | None, millions: float
) -> None:
    net = net_of(learner.images(size, size, channels, rows=4), Knobs(weight_norm=True, networks=networks))
    layers = [layer for layer in net.layers if isinstance(layer, NormedConv)]
    places = [np.prod(layer.output.shape[1:3]) for layer in layers]
    products = sum(int(n * np.prod(layer.direction.shape)) for n, layer in zip(places, layers, strict=True))
    assert products == pytest.approx(millions * 1e6, rel=0.1)


@pytest.mark.parametrize(
    ("make", "knobs", "light"),
    [
        (learner.classes, Knobs(hidden=(128, 128)), True),
        (learner.classes, Knobs(hidden=(512, 512)), False),
        (learner.classes, Knobs(hidden=(128, 128), batch=1024), False),
        (learner.classes, Knobs(hidden=(128, 128), members=16), False),
        (learner.classes, Knobs(networks="ssgan.learn.flat"), False),
        (learner.images, Knobs(), False),
    ],
)
def test_steps_of_small_networks_on_tables_alone_are_light(
    make: Callable[[], learner.Case], knobs: Knobs, light: bool
) -> None:
    assert is_light(make().encoder, knobs) is light


def test_equal_seeds_give_equal_weights_on_every_backend() -> None:
    case = learner.classes()
    one, same, other = (net_of(case, seed=seed).get_weights() for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    assert any((a != b).any() for a, b in zip(one, other, strict=True))
    seed = int(np.random.default_rng(1).integers(2**31))
    assert np.allclose(one[0], np.random.default_rng(seed).normal(0, np.sqrt(2 / len(one[0])), one[0].shape))


def test_the_first_answers_are_unsure() -> None:
    case = learner.classes()
    for knobs in (Knobs(), Knobs(weight_norm=True), Knobs(members=4)):
        net = net_of(case, knobs)
        initialise(net, case.x)
        assert array(net(case.x, training=False)[1]).std() < 0.5


# Noise


def test_photographs_are_read_at_any_brightness_and_grey_values_as_they_are() -> None:
    for channels, alike in ((3, True), (1, False)):
        case = learner.images(16, 16, channels, rows=4)
        net = net_of(case, Knobs(weight_norm=True))
        bright, faint = (array(net(x, training=False)[0]) for x in (case.x, 0.4 * case.x + 0.3))
        assert (np.abs(bright - faint).max() < 0.15 * np.abs(bright).max()) == alike


def test_noise_is_uniform_of_the_given_deviation_and_absent_outside_training() -> None:
    x = constant(np.zeros((500, 100), np.float32))
    noise = Noise(0.3, Draws(0), "noise")
    added = array(noise(x, training=True))
    assert added.std() == pytest.approx(0.3, rel=0.02)
    assert np.abs(added).max() <= 0.3 * np.sqrt(3)
    assert not array(noise(x, training=False)).any()


@pytest.mark.parametrize("layer", [Dropout, ChannelDropout])
def test_dropout_keeps_the_mean_and_is_absent_outside_training(layer: type[Dropout]) -> None:
    x = constant(np.ones((200, 3, 3, 50), np.float32))
    dropout = layer(0.4, Draws(0), "dropout")
    kept = array(dropout(x, training=True))
    assert np.unique(kept) == pytest.approx([0, 1 / 0.6])
    assert kept.mean() == pytest.approx(1, rel=0.02)
    whole = (kept.min(axis=(1, 2)) == kept.max(axis=(1, 2))).all()
    assert whole == (layer is ChannelDropout)
    assert (array(dropout(x, training=False)) == 1).all()


# Table rows


def test_piecewise_linear_features_say_how_far_a_value_went_through_each_bin() -> None:
    case = learner.classes()
    layer = PiecewiseLinear(case.encoder, "bins")
    edges = np.asarray(case.encoder.numbers[0].edges)
    got = array(layer(constant(case.x)))[:, : len(edges) - 1]
    value = case.x[:, :1]
    naive = np.clip((value - edges[:-1]) / np.diff(edges), 0, 1) * 2 - 1
    assert np.allclose(got, naive, atol=1e-5)


def test_periodic_features_are_sines_and_cosines_of_frequencies_that_are_learned() -> None:
    case, layer = learner.classes(), Periodic(2, 0, "waves")
    got = array(layer(constant(case.x))).reshape(len(case.x), 2, 2, -1)
    (frequencies,) = layer.get_weights()
    assert layer.trainable_weights
    angles = 2 * np.pi * case.x[:, :2, None] * frequencies
    assert np.allclose(got[:, :, 0], np.sin(angles), atol=1e-5)
    assert np.allclose(got[:, :, 1], np.cos(angles), atol=1e-5)


@pytest.mark.parametrize(("embedding", "width"), [("none", 6), ("periodic", 6 + 2 * 16), ("piecewise", 6 + 2 * 14)])
def test_numbers_are_embedded_as_the_knob_says(embedding: Any, width: int) -> None:
    net = net_of(learner.classes(), Knobs(embedding=embedding))
    assert net.get_layer("hidden_0").kernel.shape == (width, 16)


def test_a_generated_row_holds_exact_one_hots_flags_and_zeros_where_missing() -> None:
    case = learner.classes()
    z = RNG.uniform(-1, 1, (200, 64)).astype(np.float32)
    rows = array(generator(case.encoder, Knobs(), 1)(constant(z), training=True))
    flag, word = rows[:, 2], rows[:, 3:]
    assert set(np.unique(word)) <= {0.0, 1.0}
    assert (word.sum(axis=1) == 1).all()
    assert set(np.unique(flag)) <= {0.0, 1.0}
    assert flag.any()
    assert (rows[flag == 1, 1] == 0).all()


def test_a_hard_row_passes_on_the_slope_of_the_soft_one() -> None:
    case = learner.classes()
    raw, wanted = RNG.normal(size=(10, case.encoder.width)).astype(np.float32), np.float32([1, 2, 3])
    layer = TableRow(case.encoder, "row")
    slopes = array(slope(lambda x: keras.ops.sum(layer(x)[:, 3:] * wanted), constant(raw)))
    weights = np.exp(raw[:, 3:])
    soft = weights / weights.sum(axis=1, keepdims=True)
    naive = soft * (wanted - (soft * wanted).sum(axis=1, keepdims=True))
    assert np.allclose(slopes[:, 3:], naive, atol=1e-5)


def test_a_raw_row_is_turned_into_the_row_it_was_made_from() -> None:
    case = learner.classes()
    there, back = RawRow(case.encoder, "raw"), TableRow(case.encoder, "row")
    assert np.allclose(array(back(there(constant(case.x)))), case.x, atol=1e-6)


def test_a_refiner_starts_by_changing_next_to_nothing() -> None:
    case = learner.classes()
    z = constant(RNG.uniform(-1, 1, (200, 64)).astype(np.float32))
    rows = array(generator(case.encoder, Knobs(), 1, residual=True)([z, constant(case.x[:200])], training=True))
    assert 0 < np.abs(rows[:, :2] - case.x[:200, :2]).mean() < 0.3
    assert (rows[:, 3:] == case.x[:200, 3:]).mean() > 0.99


def test_images_are_not_refined() -> None:
    with pytest.raises(ParamsError, match="rows of a table"):
        generator(learner.images().encoder, Knobs(), 0, residual=True)


# Weight norm


NORMED: list[tuple[Callable[[], Normed], tuple[int, ...]]] = [
    (lambda: NormedDense(5, 0, "dense"), (64, 7)),
    (lambda: NormedConv(5, 3, 2, 0, "conv"), (64, 6, 6, 3)),
    (lambda: NormedDeconv(5, 4, 0, "deconv"), (64, 6, 6, 3)),
]


@pytest.mark.parametrize(("make", "shape"), NORMED)
def test_the_data_set_the_scale_so_that_pre_activations_are_standardised(
    make: Callable[[], Normed], shape: tuple[int, ...]
) -> None:
    x = constant(RNG.normal(3, 5, shape).astype(np.float32))
    model = keras.Sequential([keras.Input(shape[1:]), make()])
    initialise(model, x)
    y = array(model(x, training=False)).reshape(-1, 5)
    assert np.allclose(y.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(y.std(axis=0), 1, atol=1e-3)


@pytest.mark.parametrize(("make", "shape"), NORMED)
def test_the_length_of_the_direction_has_no_say_in_the_output(
    make: Callable[[], Normed], shape: tuple[int, ...]
) -> None:
    x, layer = constant(RNG.normal(size=shape).astype(np.float32)), make()
    before = array(layer(x))
    layer.direction.assign(layer.direction * 7.0)
    assert np.allclose(array(layer(x)), before, atol=1e-5)


@pytest.mark.parametrize(("make", "shape"), NORMED)
def test_a_folded_layer_answers_as_the_normed_one(make: Callable[[], Normed], shape: tuple[int, ...]) -> None:
    x = constant(RNG.normal(size=shape).astype(np.float32))
    model = keras.Sequential([keras.Input(shape[1:]), make()])
    initialise(model, x)
    folded = fold(model)
    assert not [layer for layer in folded.layers if isinstance(layer, Normed)]
    assert np.allclose(array(folded(x)), array(model(x)), atol=1e-5)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("members", [1, 3])
def test_a_folded_discriminator_answers_as_before_and_leaves_it_as_it_is(
    make: Callable[[], learner.Case], members: int
) -> None:
    case = make()
    net = net_of(case, Knobs(members=members, weight_norm=True))
    initialise(net, case.x)
    before = [array(each) for each in net(case.x[:20], training=False)]
    folded = fold(net)
    assert [layer for layer in net._flatten_layers() if isinstance(layer, Normed)]
    assert not [layer for layer in folded._flatten_layers() if isinstance(layer, Normed)]
    for after in (folded, net):
        got = [array(each) for each in after(case.x[:20], training=False)]
        assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(got, before, strict=True))


def test_without_weight_norm_nothing_is_initialised_or_folded() -> None:
    case = learner.classes()
    net = net_of(case)
    before = net.get_weights()
    initialise(net, case.x)
    assert all((a == b).all() for a, b in zip(net.get_weights(), before, strict=True))
    assert fold(net) is net


def test_only_the_last_layer_learns_its_scale() -> None:
    net = net_of(learner.classes(), Knobs(weight_norm=True))
    scales = {layer.name: layer.scale.trainable for layer in net.layers if isinstance(layer, Normed)}
    assert scales == {"hidden_0": False, "hidden_1": False, "outputs": True}


# Members


def test_members_share_their_kernels_and_still_differ() -> None:
    case = learner.classes()
    one, many = net_of(case), net_of(case, Knobs(members=8))
    features, outputs = many(case.x[:10], training=False)
    assert outputs.shape == (10, 8, 2)
    assert features.shape == (10, 8 * 16)
    assert many.count_params() < 3 * one.count_params()
    apart = array(outputs).std(axis=1).mean()
    assert apart > 0.01


@pytest.mark.parametrize("make", MAKERS)
def test_a_members_answer_depends_on_its_own_vectors_alone(make: Callable[[], learner.Case]) -> None:
    case = make()
    net = net_of(case, Knobs(members=3))
    before = array(net(case.x[:10], training=False)[1])
    last = net.get_layer("outputs")
    moved = np.zeros(last.bias.shape, np.float32)
    moved[1] = 5
    last.bias.assign(moved)
    after = array(net(case.x[:10], training=False)[1])
    assert np.allclose(after[:, [0, 2]], before[:, [0, 2]], atol=1e-6)
    assert np.allclose(after[:, 1], before[:, 1] + 5, atol=1e-5)


# Precision


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("members", [1, 3])
def test_in_bfloat16_weights_and_answers_stay_float32(make: Callable[[], learner.Case], members: int) -> None:
    case = make()
    knobs = Knobs(members=members, weight_norm=True)
    exact = net_of(case, knobs)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net, made = net_of(case, knobs), generator(case.encoder, Knobs(), 0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {str(weight.dtype) for weight in (*net.weights, *made.weights)} == {"float32"}
    hidden = [layer for layer in net.layers if layer.name in ("hidden_0", "conv_0")]
    assert [layer.compute_dtype for layer in hidden] == ["bfloat16"]
    for model in (net, exact):
        initialise(model, case.x)
    exact.set_weights(net.get_weights())
    for rough, fine in zip(net(case.x, training=True), exact(case.x, training=False), strict=True):
        assert keras.backend.standardize_dtype(rough.dtype) == "float32"
        assert rough.shape == fine.shape
    rough, fine = (array(model(case.x, training=False)[0]) for model in (net, exact))
    assert np.abs(rough - fine).max() < 0.1
    z = constant(RNG.uniform(-1, 1, (8, 64)).astype(np.float32))
    assert keras.backend.standardize_dtype(made(z, training=True).dtype) == "float32"


# The user's own networks


def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> str:
    """A module of the user's with this text; its name."""
    name = f"mine_{abs(hash(body))}"
    text = "import keras\nfrom ssgan.learn.layers import Noise\nlayers = keras.layers\n\n" + body
    (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


GOOD = """
def discriminator(encoder, head, draws, seed):
    x = keras.Input(encoder.shape)
    h = layers.Dense(5, activation="relu")(Noise(0.1, draws, "noise")(x))
    return keras.Model(x, [h, layers.Dense(head.width)(h)])
"""


def test_a_network_of_ones_own_takes_the_place_of_the_built_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, path = learner.classes(), mine(tmp_path, monkeypatch, GOOD)
    net = net_of(case, Knobs(networks=path))
    assert [each.shape for each in net(case.x[:3], training=True)] == [(3, 5), (3, 2)]
    assert generator(case.encoder, Knobs(networks=path), 0).name == "generator"  # there is none of their own
    within = mine(tmp_path, monkeypatch, "class Nets:\n    class Small:\n        discriminator = None\n")
    with pytest.raises(ParamsError, match="must have a function `discriminator`"):
        net_of(case, Knobs(networks=f"{within}:Nets.Small"))


def test_a_run_knows_when_the_code_of_ones_own_networks_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mine(tmp_path, monkeypatch, GOOD)
    before = source_digest(path), source_digest(f"{path}:discriminator")
    (tmp_path / f"{path}.py").write_text(GOOD.replace("5", "6"), encoding="utf-8")
    assert before[0] == before[1] != source_digest(path)
    assert source_digest(None) == ""
    with pytest.raises(ParamsError, match="must be importable"):
        source_digest("nowhere.at_all")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x = 1", "must have a function `discriminator`"),
        (GOOD.replace("head.width", "7"), r"outputs \[n, 2\]; their shape is \[n, 7\]"),
        (GOOD.replace("encoder.shape", "(9,)"), r"must take rows \[n, 6\]; its shape is \[n, 9\]"),
        (GOOD.replace("[h, layers.Dense(head.width)(h)]", "[h]"), "it gives 1 tensors"),
        (GOOD.replace("[h, ", "[h[:, :, None], "), r"features \[n, H\]; their shape is \[n, 5, 1\]"),
        (GOOD.replace("(x))", "(layers.BatchNormalization()(x)))"), "batch norm: use weight norm or layer norm"),
        (GOOD.replace("(x))", "(layers.Dropout(0.5)(x)))"), "has a random state of its own: use Noise"),
        (GOOD.replace("return keras.Model", "return tuple"), "fails with 'tuple expected at most 1 argument"),
        (GOOD.replace("return keras.Model(x, ", "return (x, "), "functional Keras model; it gives a tuple"),
        ("import no_such_module", "importing 'mine_.*' fails with \"No module named 'no_such_module'\""),
        (GOOD + "def generator(encoder, seed):\n    return discriminator(encoder, 1, 2, 3)", None),
    ],
)
def test_a_network_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str | None
) -> None:
    case, path = learner.classes(), mine(tmp_path, monkeypatch, body)
    if said is None:
        net_of(case, Knobs(networks=path))
        return
    with pytest.raises(ParamsError, match=said):
        net_of(case, Knobs(networks=path))


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ("(4, 4)", "6", r"must take numbers \[n, Z\]; it takes \[n, 4, 4\]"),
        ("(4,)", "5", r"must give rows \[n, 6\]; its shape is \[n, 5\]"),
    ],
)
def test_a_generator_that_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: str, outputs: str, said: str
) -> None:
    body = f"""
def generator(encoder, seed):
    z = keras.Input({inputs})
    return keras.Model(z, layers.Dense({outputs})(z))
"""
    path = mine(tmp_path, monkeypatch, body)
    with pytest.raises(ParamsError, match=said):
        generator(learner.classes().encoder, Knobs(networks=path), 0)


def test_a_network_that_is_not_there_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"importing 'no\.such' fails"):
        net_of(learner.classes(), Knobs(networks="no.such"))
    with pytest.raises(ParamsError, match=r"names 'nothing' in ssgan\.learn\.flat, which has no such name"):
        net_of(learner.classes(), Knobs(networks="ssgan.learn.flat:nothing"))


def test_the_flat_networks_are_those_of_improved_gan() -> None:
    case = learner.images(28, 28, 1, rows=8)
    knobs = replace(Knobs(), networks="ssgan.learn.flat")
    head: Head = ClassHead(10)
    net, made = discriminator(case.encoder, head, knobs, Draws(0), 0), generator(case.encoder, knobs, 0)
    kernels = [layer.direction.shape for layer in net.layers if isinstance(layer, Normed)]
    assert kernels == [(784, 1000), (1000, 500), (500, 250), (250, 250), (250, 250), (250, 10)]
    noise = [layer._reach / np.sqrt(3) for layer in net.layers if isinstance(layer, Noise)]
    assert noise == pytest.approx([0.6, 0.5, 0.5, 0.5, 0.5, 0.5])
    assert made.inputs[0].shape[-1] == flat.LATENT
    assert made(constant(np.zeros((2, 100), np.float32)), training=True).shape == (2, 28, 28, 1)


def test_a_flat_generator_starts_around_the_mean_image_however_its_kernel_turns() -> None:
    case = learner.images(28, 28, 1, rows=40)
    made = generator(case.encoder, replace(Knobs(), networks="ssgan.learn.flat"), 0)
    start_at(made, case.x)
    pixels = made.get_layer("pixels")
    numbers = constant(RNG.uniform(-1, 1, (100, flat.LATENT)).astype(np.float32))
    for direction in (array(pixels.direction), np.ones((500, 784), np.float32)):
        pixels.direction.assign(direction)
        fakes = array(made(numbers, training=True))
        around = np.tanh(np.arctanh(fakes.astype(np.float64)).mean(axis=0))
        np.testing.assert_allclose(around, case.x.mean(axis=0), atol=2e-3)
