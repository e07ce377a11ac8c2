"""Losses, heads, networks and fakes, against their formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ssgan.learn import losses
from ssgan.learn.backend import Draws, constant, keras
from ssgan.learn.fakes import GeneratorFakes, ShuffledColumns
from ssgan.learn.heads import ClassHead, ValueHead, head_for
from ssgan.learn.networks import Noise, PiecewiseLinear, discriminator, generator
from ssgan.learn.step import Average, Rows, Schedule
from tests.unit import learner

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (20, 4)).astype(np.float32)
CLASSES = RNG.integers(0, 4, 20).astype(np.int32)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits.astype(np.float64))
    return weights / weights.sum(axis=1, keepdims=True)


def test_realness_is_the_softmax_over_k_plus_1_classes_with_the_fake_logit_at_0() -> None:
    with_fake = softmax(np.concatenate([LOGITS, np.zeros((20, 1), np.float32)], axis=1))
    realness = np.asarray(losses.logsumexp(constant(LOGITS)), np.float64)[:, 0]
    assert np.allclose(1 / (1 + np.exp(realness)), with_fake[:, -1], rtol=1e-5)
    assert np.allclose(softmax(LOGITS), with_fake[:, :-1] / (1 - with_fake[:, -1:]), rtol=1e-5)


def test_cross_entropy_is_the_mean_log_probability_of_the_right_class() -> None:
    naive = -np.log(softmax(LOGITS)[np.arange(20), CLASSES]).mean()
    assert float(losses.cross_entropy(constant(LOGITS), constant(CLASSES))) == pytest.approx(naive, rel=1e-5)


def test_real_fake_is_the_binary_cross_entropy_and_does_not_overflow() -> None:
    real, fake = LOGITS[:, :1], LOGITS[:, 1:2]
    naive = -0.5 * np.log(1 / (1 + np.exp(-real))).mean() - 0.5 * np.log(1 - 1 / (1 + np.exp(-fake))).mean()
    assert float(losses.real_fake(constant(real), constant(fake))) == pytest.approx(naive, rel=1e-4)
    huge = np.full((2, 1), 500, np.float32)
    assert float(losses.real_fake(constant(-huge), constant(huge))) == pytest.approx(500)


def test_huber_is_quadratic_inside_and_linear_outside() -> None:
    got = losses.huber(constant(np.float32([[0.5], [3.0]])), constant(np.float32([0.0, 0.0])))
    assert float(got) == pytest.approx((0.5**2 / 2 + (3 - 0.5)) / 2)


def test_feature_matching_is_the_distance_of_the_batch_means() -> None:
    a, b = RNG.normal(size=(6, 3)).astype(np.float32), RNG.normal(1, 1, (9, 3)).astype(np.float32)
    naive = ((a.mean(0) - b.mean(0)) ** 2).mean()
    assert float(losses.feature_matching(constant(a), constant(b))) == pytest.approx(naive, rel=1e-5)


def test_heads_differ_in_what_they_read_and_in_nothing_else() -> None:
    outputs = constant(LOGITS[:, :2])
    value = ValueHead(mean=10.0, scale=2.0)
    assert np.asarray(value.task(outputs)).tolist() == LOGITS[:, :1].tolist()
    assert np.asarray(value.realness(outputs)).tolist() == LOGITS[:, 1:2].tolist()
    assert value.targets(np.array([10.0, 14.0])).tolist() == [0, 2]
    assert [part.tolist() for part in value.strata(np.array([1.0, 2.0]))] == [[0, 1]]
    assert [part.tolist() for part in ClassHead(3).strata(np.array([2, 0, 2]))] == [[1], [0, 2]]


def test_a_value_is_standardised_by_the_labelled_rows() -> None:
    case = learner.values()
    head = head_for(case.contract, case.y)
    assert isinstance(head, ValueHead)
    assert head.mean == pytest.approx(case.truth[:40].mean())
    assert head.scale == pytest.approx(case.truth[:40].std())


@pytest.mark.parametrize("make", [learner.classes, learner.values, learner.images])
def test_the_discriminator_has_no_batch_norm_so_rows_do_not_see_one_another(make: Callable[[], learner.Case]) -> None:
    case = make()
    net = discriminator(case.encoder, head_for(case.contract, case.y), (16, 16), Draws(0), 0)
    assert not [layer for layer in net.layers if "norm" in type(layer).__name__.lower()]
    alone, together = net(case.x[:1], training=False)[1], net(case.x[:20], training=False)[1]
    assert np.allclose(alone, together[:1], atol=1e-5)


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (28, 28, 1), (17, 9, 3), (64, 64, 3)])
def test_images_of_any_size_pass_through_both_networks(height: int, width: int, channels: int) -> None:
    case = learner.images(height, width, channels, rows=4)
    features, outputs = discriminator(case.encoder, ClassHead(2), (), Draws(0), 0)(case.x)
    assert features.shape[0] == outputs.shape[0] == 4
    fakes = np.asarray(GeneratorFakes(case.encoder, Draws(0), 0).draw(3))
    assert fakes.shape == (3, height, width, channels)
    assert np.abs(fakes).max() <= 1


def test_noise_is_uniform_of_the_given_deviation_and_absent_outside_training() -> None:
    x = constant(np.zeros((500, 100), np.float32))
    noise = Noise(0.3, Draws(0), "noise")
    added = np.asarray(noise(x, training=True))
    assert added.std() == pytest.approx(0.3, rel=0.02)
    assert np.abs(added).max() <= 0.3 * np.sqrt(3)
    assert not np.asarray(noise(x, training=False)).any()


def test_piecewise_linear_features_say_how_far_a_value_went_through_each_bin() -> None:
    case = learner.classes()
    layer = PiecewiseLinear(case.encoder, "bins")
    edges = case.encoder.numbers[0].edges
    got = np.asarray(layer(case.x))[:, : len(edges) - 1]
    value = case.x[:, :1]
    naive = np.clip((value - edges[:-1]) / np.diff(edges), 0, 1) * 2 - 1
    assert np.allclose(got, naive, atol=1e-5)


def test_a_generated_row_holds_exact_one_hots_flags_and_zeros_where_missing() -> None:
    case = learner.classes()
    z = RNG.uniform(-1, 1, (200, 64)).astype(np.float32)
    rows = np.asarray(generator(case.encoder, 1)(constant(z), training=True))
    flag, word = rows[:, 2], rows[:, 3:]
    assert set(np.unique(word)) <= {0.0, 1.0}
    assert (word.sum(axis=1) == 1).all()
    assert set(np.unique(flag)) <= {0.0, 1.0}
    assert flag.any()
    assert (rows[flag == 1, 1] == 0).all()


def test_a_generator_gets_a_gradient_through_its_one_hots() -> None:
    from ssgan.learn.backend import gradients

    case = learner.classes()
    fakes = GeneratorFakes(case.encoder, Draws(0), 0)

    def forward() -> tuple:
        rows = fakes.draw(32)
        return (keras.ops.mean(rows[:, 3:] * np.float32([1, 2, 3])),), keras.ops.zeros(1)

    [slopes], _ = gradients(forward, [fakes.weights])
    assert all(np.abs(slope).max() > 0 for slope in slopes[-2:])


def test_shuffled_columns_keep_every_column_and_break_their_company() -> None:
    case = learner.classes()
    rows = np.asarray(ShuffledColumns(case.x, case.encoder, Draws(0)).draw(4000))
    real = {group: {tuple(row) for row in case.x[:, at]} for group, at in _by_group(case).items()}
    for group, at in _by_group(case).items():
        assert {tuple(row) for row in rows[:, at]} <= real[group]
    assert abs(np.corrcoef(case.x[:, 0], case.x[:, 3])[0, 1]) > 0.5
    assert abs(np.corrcoef(rows[:, 0], rows[:, 3])[0, 1]) < 0.05


def _by_group(case: learner.Case) -> dict[int, np.ndarray]:
    groups = np.array(case.encoder.groups)
    return {group: np.flatnonzero(groups == group) for group in set(groups.tolist())}


def test_labelled_batches_hold_every_class_alike_however_rare_it_is() -> None:
    case = learner.classes()
    y = case.truth.copy()
    y[y == 1] = -1
    y[1] = 1  # one labelled row of the second class
    _, targets = Rows(case.x, y, ClassHead(2), Draws(0)).labelled(64)
    assert np.bincount(np.asarray(targets)).tolist() == [32, 32]


def test_the_average_is_corrected_for_its_start_at_zero() -> None:
    weight = keras.Variable(np.float32([2.0]))
    average = Average([weight], decay=0.9)
    values = [2.0, 4.0, 8.0]
    for value in values:
        weight.assign(np.float32([value]))
        average.update()
    shares = np.array([0.1 * 0.9**2, 0.1 * 0.9, 0.1])
    average.settle(3)
    assert float(np.asarray(weight)[0]) == pytest.approx((shares * values).sum() / shares.sum(), rel=1e-5)


def test_the_rate_falls_to_2_percent_over_the_second_half_and_the_weight_rises_over_the_ramp() -> None:
    schedule = Schedule(steps=1000, learning_rate=0.1, gan_weight=3.0, ramp=0.25)
    rates = [float(schedule.rate(constant(step))) for step in (0, 500, 750, 1000)]
    assert rates == pytest.approx([0.1, 0.1, 0.051, 0.002], rel=1e-3)
    weights = [float(schedule.weight(constant(step))) for step in (0, 124, 249, 999)]
    assert weights == pytest.approx([0.012, 1.5, 3.0, 3.0], rel=1e-3)
