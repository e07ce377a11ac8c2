"""Training: what is learned, from which rows, and what happens when it goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssgan.config import TrainParams
from ssgan.errors import ParamsError
from ssgan.learn import health
from ssgan.learn.backend import Draws, State, constant, keras
from ssgan.learn.checkpoint import Checkpoints, Saved
from ssgan.learn.events import Events
from ssgan.learn.fit import Fitted
from ssgan.learn.heads import ClassHead, head_for
from ssgan.learn.knobs import resolve
from ssgan.learn.pool import Labelled
from ssgan.learn.run import Run
from ssgan.learn.terms import REPORTED
from ssgan.progress import listening
from tests.unit import learner
from tests.unit.learner import fit


def weights(fitted: Fitted) -> list[np.ndarray]:
    return [np.asarray(weight) for weight in fitted.discriminator.get_weights()]


def same(a: Fitted, b: Fitted) -> bool:
    pairs = zip([*weights(a), a.history], [*weights(b), b.history], strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


@pytest.fixture(scope="module")
def moons() -> tuple[learner.Case, Fitted]:
    """The SSGAN with its defaults on the classes case, six rows of which are labelled."""
    case = learner.classes()
    return case, fit(case, steps=400)


def test_with_few_labels_the_ssgan_beats_chance_clearly(moons: tuple[learner.Case, Fitted]) -> None:
    case, fitted = moons
    task, _ = fitted.outputs(case.x)
    assert (task.argmax(axis=1) == case.truth).mean() > 0.85


def test_fakes_look_less_real_than_rows_after_training(moons: tuple[learner.Case, Fitted]) -> None:
    case, fitted = moons
    rng = np.random.default_rng(1)
    strange = np.stack([rng.permutation(column) for column in case.x.T], axis=1)
    assert fitted.outputs(case.x)[1].mean() > fitted.outputs(strange)[1].mean() + 0.5


@pytest.mark.parametrize(
    "knobs",
    [
        {"fakes": "generator", "gan_weight": 0.3},
        {"fakes": "shuffled columns", "gan_weight": 1.0, "head": "gaussian"},
        {"gan_weight": 0, "teacher_weight": 3.0},
        {"head": "buckets", "members": 2},
    ],
    ids=lambda knobs: ", ".join(f"{name} {value}" for name, value in knobs.items()),
)
def test_a_value_is_learned_in_each_way(knobs: dict[str, Any]) -> None:
    case = learner.values()
    task, realness = fit(case, steps=300, **knobs).outputs(case.x)
    assert np.corrcoef(task[:, 0], case.truth)[0, 1] > 0.9
    assert realness.shape == (300, 1)


@pytest.mark.parametrize("make", [learner.classes, learner.images])
@pytest.mark.parametrize("update", ["simultaneous", "alternating"])
def test_a_generator_trains_along(make: Callable[[], learner.Case], update: str) -> None:
    fitted = fit(make(), steps=20, fakes="generator", update=update)
    assert fitted.history.shape == (20, 1 + len(REPORTED))
    assert fitted.history[0, 1 + REPORTED.index("supervised")] > 0  # later it may round to 0: these images are easy
    for term in ("real_fake", "generator"):
        assert (fitted.history[:, 1 + REPORTED.index(term)] > 0).all()


@pytest.mark.parametrize("fakes", ["refiner", "mixture"])
def test_other_fakes_teach_too(fakes: str) -> None:
    case = learner.classes()
    fitted = fit(case, steps=300, fakes=fakes, gan_weight=3.0)
    assert (fitted.outputs(case.x)[0].argmax(axis=1) == case.truth).mean() > 0.8


@pytest.mark.parametrize("consistency", ["ict", "mean teacher", "pseudo-label", "vat"])
def test_every_consistency_is_reported_and_learned_from(consistency: str) -> None:
    case = learner.classes()
    fitted = fit(case, gan_weight=0, consistency=consistency, entropy_weight=0.1, ramp=0.1, steps=150)
    late = fitted.history[-10:]  # at first no teacher is sure of a pseudo-label
    for term in ("consistency", "entropy"):
        assert (late[:, 1 + REPORTED.index(term)] > 0).all()
    assert (fitted.history[:, 1 + REPORTED.index("real_fake")] == 0).all()
    assert not same(fitted, fit(case, gan_weight=0, steps=150))


def test_the_twin_ignores_unlabelled_rows() -> None:
    case = learner.classes()
    known = case.y >= 0
    few = replace(case, x=case.x[known], y=case.y[known])
    for a, b in zip(weights(fit(case, gan_weight=0)), weights(fit(few, gan_weight=0)), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize(
    ("make", "knobs"),
    [
        (learner.classes, {}),
        (learner.classes, {"fakes": "refiner", "update": "alternating"}),
        (learner.classes, {"teacher_weight": 1.0}),
        (learner.images, {"shift": 1}),
    ],
)
def test_rows_streamed_from_a_file_give_the_same_bits_as_rows_in_memory(
    tmp_path: Path, make: Callable[[], learner.Case], knobs: dict[str, Any]
) -> None:
    case = make()
    np.save(tmp_path / "x.npy", case.x)
    streamed = replace(case, x=np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert isinstance(streamed.x, np.memmap)
    assert same(fit(case, steps=150, **knobs), fit(streamed, steps=150, **knobs))


def test_bfloat16_answers_nearly_as_float32_does() -> None:
    case = learner.images()
    exact, rough = (fit(case, steps=30, precision=each).outputs(case.x)[0] for each in ("float32", "bfloat16"))
    assert not np.array_equal(exact, rough)
    assert (exact.argmax(axis=1) == rough.argmax(axis=1)).mean() > 0.9


def test_a_run_taken_up_from_a_checkpoint_ends_as_one_that_was_not_broken(tmp_path: Path) -> None:
    case, knobs = learner.classes(), {"fakes": "generator", "steps": 100}
    checkpoints = Checkpoints(tmp_path, "this run")

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            if epoch == 30:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(case, more={"checkpoints": checkpoints, "callbacks": [Interrupt()]}, **knobs)
    saved = checkpoints.latest()
    assert saved is not None
    assert saved.step == 60
    told: list[str] = []
    with listening(lambda event: told.append(event.text)):
        resumed = fit(case, more={"checkpoints": checkpoints}, **knobs)
    assert told[0] == "train: test goes on from step 60/100"
    assert same(resumed, fit(case, **knobs))


def test_only_the_last_two_checkpoints_are_kept_and_a_damaged_one_falls_back_to_the_one_before(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "this run")
    for step in (10, 20, 30):
        checkpoints.save(Saved(step, [np.full(3, step)], np.zeros((1, 2))))
    _, new = sorted(tmp_path.iterdir())
    content = bytearray(new.read_bytes())
    content[len(content) // 2] ^= 1
    told: list[str] = []
    with listening(lambda event: told.append(event.text)):
        new.write_bytes(content)
        damaged = checkpoints.latest()
        new.write_bytes(content[:40])
        cut = checkpoints.latest()
    assert damaged is not None
    assert cut is not None
    assert (damaged.step, cut.step, damaged.values[0].tolist()) == (20, 20, [20, 20, 20])
    assert told == [f"train: the checkpoint {new.name} is damaged (its sha256 differs): it is passed over"] * 2


def test_checkpoints_of_another_run_neither_serve_this_one_nor_push_its_own_out(tmp_path: Path) -> None:
    given_up, this = Checkpoints(tmp_path, "given up"), Checkpoints(tmp_path, "this run")
    for step in (500, 600):
        given_up.save(Saved(step, [np.zeros(3)], np.zeros((1, 2))))
    assert this.latest() is None
    for step in (10, 20):
        this.save(Saved(step, [np.ones(3)], np.zeros((1, 2))))
    found = this.latest()
    assert found is not None
    assert found.step == 20
    this.clear()
    assert not tmp_path.exists()


def test_a_run_that_is_over_leaves_nothing_of_a_writer_that_was_killed_and_nothing_else_is_touched(
    tmp_path: Path,
) -> None:
    checkpoints = Checkpoints(tmp_path, "this run")
    checkpoints.save(Saved(10, [np.zeros(3)], np.zeros((1, 2))))
    (whole,) = tmp_path.iterdir()
    whole.with_suffix(".4711").write_bytes(b"half of a checkpoint")
    (tmp_path / "notes.2").write_text("of the user's own")
    checkpoints.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.2"]


def test_a_loss_that_is_no_number_stops_with_what_to_do_and_the_last_good_state(tmp_path: Path) -> None:
    case = learner.values()
    with pytest.raises(ParamsError, match=r"must stay finite and below 1e\+06; after step 0 of 60.*learning_rate"):
        fit(replace(case, x=np.full_like(case.x, np.nan)), gan_weight=0, teacher_weight=0)
    case, checkpoints = learner.classes(), Checkpoints(tmp_path / "kept", "this run")
    case.x[17] = np.nan  # drawn sooner or later
    with pytest.raises(ParamsError, match=r"that of .*real_fake did not.*last good state, after step \d+, is kept in"):
        fit(case, more={"checkpoints": checkpoints}, batch=4, steps=400)
    assert checkpoints.latest() is not None


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_weights_that_the_last_step_has_ruined_are_no_model() -> None:
    with pytest.raises(ParamsError, match="weights of test must stay finite; at the end of training some are not"):
        fit(learner.classes(), steps=1, gan_weight=1e39)  # in float32 it is infinite


def test_fakes_that_are_told_apart_without_error_are_a_warning() -> None:
    case = learner.classes()
    far = replace(case, x=case.x + np.float32(50))  # no generator gets there
    told = fit(far, fakes="generator", gan_weight=3.0, steps=200, ramp=0.0)
    assert any("without error" in warning for warning in told.warnings)
    assert fit(case, gan_weight=0).warnings == ()


def test_how_well_fakes_are_told_apart_is_no_warning_where_the_real_fake_term_is_not_trained() -> None:
    case = learner.classes()
    far = case.x + np.float32(50)
    told = fit(replace(case, x=far), fakes="generator", gan_weight=3.0, manifold_weight=1.0, steps=200, ramp=0.0)
    assert told.fakes is not None
    trained, alone = (
        resolve(TrainParams(fakes="generator", gan_weight=weight, manifold_weight=1.0), case.contract)
        for weight in (3.0, 0.0)
    )
    game = (told.discriminator, told.head, far, told.fakes)
    assert "without error" in health.of_game(*game, trained)[0]
    assert not [warning for warning in health.of_game(*game, alone) if "without error" in warning]


def test_a_class_that_no_unlabelled_row_is_taken_for_is_a_warning() -> None:
    case = learner.images()
    some = (case.y >= 0) | (case.truth == 0)
    rest = replace(case, x=case.x[some], y=case.y[some], truth=case.truth[some])
    (told,) = fit(rest, gan_weight=0, steps=150).warnings
    assert "0.0% are taken for class down, which has 50.0% of the labels" in told
    assert fit(case, gan_weight=0, steps=150).warnings == ()
    assert fit(rest, gan_weight=0, consistency="none", steps=20).warnings == ()  # nobody asked the average


@pytest.mark.parametrize("consistency", ["ict", "mean teacher", "pseudo-label"])
def test_answers_that_are_held_to_the_labels_shares_are_another_goal(consistency: str) -> None:
    case = learner.classes()
    free, held = (fit(case, gan_weight=0, consistency=consistency, sure=0.5, align=align) for align in (0.0, 1.0))
    assert not same(free, held)


def test_answers_are_held_to_the_labels_shares_only_at_first() -> None:
    case = learner.classes()
    free, begun = (fit(case, gan_weight=0, consistency="mean teacher", align=align) for align in (0.0, 1e-6))
    for one, other in zip(weights(begun), weights(free), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-2)  # in the first step alone


def test_values_have_no_shares_to_hold_answers_to() -> None:
    with pytest.raises(ParamsError, match=r"train\.align must be 0 for values"):
        fit(learner.values(), align=0.5)


def test_the_shares_that_answers_are_held_to_are_those_of_the_labels_that_may_be_seen() -> None:
    case, head = learner.classes(labelled=4), ClassHead(2)
    labelled = Labelled(case.x, case.y, head, 8, Draws(0), State())
    assert np.asarray(labelled.shares).tolist() == [0.5, 0.5]
    labelled.learn_from(case.truth[case.y >= 0] == 1)
    assert np.asarray(labelled.shares).tolist() == np.float32([1 / 6, 5 / 6]).tolist()


def last_line(case: learner.Case, more: dict[str, Any] | None = None) -> tuple[str, Fitted]:
    """What is told at the end of a short run."""
    told: list[str] = []
    with listening(lambda event: told.append(event.text)):
        fitted = fit(case, more=more)
    (last,) = [line for line in told if "step 60/60" in line]
    return last, fitted


def test_progress_is_told_with_steps_losses_and_how_well_the_labels_are_fitted() -> None:
    case = learner.classes()
    last, fitted = last_line(case)
    assert last.startswith("train: test step 60/60, ")
    for part in ("steps/s", "supervised ", "real/fake "):
        assert part in last
    known = case.y >= 0
    right = (fitted.outputs(case.x[known])[0].argmax(axis=1) == case.y[known]).mean()  # as many rows of each class
    assert last.endswith(f", labels learned to balanced accuracy {right:.3g}")


@pytest.mark.parametrize("make", [learner.classes, learner.values])
def test_the_score_of_validation_rows_is_told_and_changes_nothing(make: Callable[[], learner.Case]) -> None:
    case, heard = make(), list[float]()
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: heard.append(logs["validation"]))
    last, fitted = last_line(case, {"validation": (case.x[100:], case.truth[100:]), "callbacks": [callback]})
    found, truth = fitted.outputs(case.x[100:])[0], case.truth[100:]
    if fitted.head.classes:
        score, name = np.mean([(found.argmax(axis=1) == truth)[truth == each].mean() for each in (0, 1)]), "accuracy"
    else:
        mean, scale = (float(fitted.head.metadata[f"value_{name}"]) for name in ("mean", "scale"))
        score, name = np.sqrt(np.mean((found[:, 0] * scale + mean - truth) ** 2)), "RMSE"
    assert heard[-1] == pytest.approx(score, rel=1e-5)
    assert f"validation {'balanced ' if name == 'accuracy' else ''}{name} {heard[-1]:.3g}" in last
    assert same(fitted, fit(case))


def test_keras_callbacks_hear_the_losses_and_may_stop_the_run() -> None:
    class Early(keras.callbacks.Callback):
        heard: list[dict[str, float]] = []

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.heard.append(dict(logs or {}))
            self.model.stop_training = epoch == 4

        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            assert (self.params["steps"], self.params["total"], self.params["epochs"]) == (2, 100, 50)

    callback = Early()
    fitted = fit(learner.classes(), more={"callbacks": [callback]}, steps=100)
    assert fitted.history[-1, 0] == 10
    assert [set(each) for each in callback.heard] == [set(REPORTED)] * 5


def test_tensorboard_reads_the_losses_of_each_epoch_under_its_last_step(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    fitted = fit(learner.classes(), more={"callbacks": [Events(tmp_path)]}, steps=70)
    (path,) = tmp_path.iterdir()
    found = [event for event in tf.compat.v1.train.summary_iterator(str(path)) if event.summary.value]
    assert [event.step for event in found] == fitted.history[:, 0].tolist()
    for event, line in zip(found, fitted.history, strict=True):
        told = {each.tag: each.simple_value for each in event.summary.value}
        assert told == {f"loss/{name}": pytest.approx(loss) for name, loss in zip(REPORTED, line[1:], strict=True)}


def test_what_is_in_the_way_of_event_files_is_told_as_of_any_other_file(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("not a folder")
    with pytest.raises(OSError, match="taken"):
        fit(learner.classes(), more={"callbacks": [Events(tmp_path / "taken")]}, steps=1)


SHARED = """
import os, sys
if os.environ["KERAS_BACKEND"] == "tensorflow":
    import tensorflow as tf
    (processor,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(int(sys.argv[1]))]
    tf.config.set_logical_device_configuration(processor, parts)
from learner import classes, fit
"""


def test_on_tensorflow_several_devices_take_their_shares_of_a_step_and_learn_as_one_does() -> None:
    code = (
        SHARED
        + """
import numpy as np
from ssgan.learn.backend import gradients, keras, rows_here, spread
x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
weight, seen = keras.Variable(np.ones((3, 1), "float32")), []
def forward():
    rows = spread(keras.ops.convert_to_tensor(x))
    seen.append((rows.shape[0], rows_here(6), rows_here(5)))
    loss = keras.ops.mean(keras.ops.square(keras.ops.matmul(rows, weight.value)))
    return (loss,), loss
((slope,),), report = gradients(forward, [[weight]])
assert seen == [(3, 3, 5), (3, 3, 5)] and rows_here(6) == 6
assert np.allclose(slope, 2 * x.T @ (x @ np.ones((3, 1))) / 6, atol=1e-5)  # that of all six rows
assert np.isclose(report, np.square(x.sum(axis=1)).mean())
case = classes()
every = {"consistency": "vat", "manifold_weight": 1e-3, "entropy_weight": 0.1, "teacher_weight": 1.0}
assert len(fit(case, steps=4, fakes="mixture", update="alternating", **every).history) == 4
task, _ = fit(case, steps=300, batch=32).outputs(case.x)
print(len(tf.config.list_logical_devices("CPU")), (task.argmax(axis=1) == case.truth).mean())
"""
    )
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(
        [sys.executable, "-c", code, "2"], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    devices, right = done.stdout.split()
    assert int(devices) == 2
    assert float(right) > 0.85


def test_on_jax_several_devices_share_the_rows_and_agree_with_one() -> None:
    code = """
import jax
import numpy as np
from learner import classes, fit
from ssgan.learn.backend import spread

def learned():
    assert len(spread(jax.numpy.zeros((64, 3))).devices()) == jax.local_device_count()
    return fit(classes(), steps=20, fakes="generator").outputs(classes().x)[0]

assert jax.local_device_count() == 2
several, all_devices = learned(), jax.local_devices()
jax.local_devices = lambda: all_devices[:1]
jax.local_device_count = lambda: 1
np.testing.assert_allclose(several, learned(), atol=1e-3)
print("agree")
"""
    environment = {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # of the compiler, which takes longer than the steps
        "PYTHONPATH": str(Path(__file__).parent),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "agree", done.stderr[-2000:]


def test_images_cannot_have_shuffled_columns() -> None:
    with pytest.raises(ParamsError, match=r"train\.fakes must be \"generator\" for images"):
        fit(learner.images(), fakes="shuffled columns")


@pytest.mark.parametrize("make", [learner.classes, learner.images])
def test_a_step_takes_so_many_times_as_many_unlabelled_rows_as_the_knob_says(make: Callable[[], learner.Case]) -> None:
    case = make()
    knobs = resolve(TrainParams(batch=8, unlabelled=3, steps=2, teacher_weight=0.0), case.contract)
    with closing(Run(case.x, case.y, case.encoder, head_for(case.contract, case.y), knobs)) as run:
        run._pool.start(constant(np.int32(0)))
        assert run._pool.rows().shape[0] == 24


def test_labels_far_from_all_others_are_a_warning_that_says_what_to_do() -> None:
    y = np.array([*np.linspace(0, 19, 40), np.nan, 99999.0])
    (said,) = health.of_labels(y, "grade")
    assert said.startswith("of the labels `grade`, 99999 lies far from the rest (0 to 19)")
    assert health.of_labels(y[:-1], "grade") == health.of_labels(np.array([0, 1, -1]), "grade") == ()
