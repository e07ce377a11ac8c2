"""Lessons: which rows they are about, what is in them, and when they begin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ssgan.config import TrainParams
from ssgan.learn import lessons, plain
from ssgan.learn.backend import Draws, State, keras
from ssgan.learn.checkpoint import Checkpoints
from ssgan.learn.heads import ClassHead, head_for
from ssgan.learn.knobs import resolve
from ssgan.learn.lessons import Subject, Taught, mixed, taught_by
from ssgan.learn.run import Run, task_and_realness
from ssgan.learn.step import Schedule
from ssgan.learn.taught import TaughtRows, fuse
from ssgan.learn.teacher import Teacher
from ssgan.learn.terms import REPORTED
from tests.unit import learner
from tests.unit.learner import fit

TEACHER = 1 + REPORTED.index("teacher")


@pytest.fixture(autouse=True)
def _small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "TREES", 40)


def test_a_mixed_row_takes_most_columns_from_one_row_and_keeps_what_belongs_together() -> None:
    case = learner.classes()
    made = mixed(case.x, case.encoder, 500, np.random.default_rng(0))
    groups = np.asarray(case.encoder.groups)
    for column in range(len(case.encoder.parts)):
        real = {row.tobytes() for row in case.x[:, groups == column]}
        assert {row.tobytes() for row in made[:, groups == column]} <= real
    assert len({row.tobytes() for row in made} - {row.tobytes() for row in case.x}) > 100


def test_half_of_the_rows_are_mixed_and_a_rare_class_is_heard_as_often_as_a_frequent_one() -> None:
    case, state = learner.classes(), State()
    subject = Subject.of(case.x, case.encoder, 0)
    lesson = TaughtRows(subject, ClassHead(2), 4000, Draws(1), state)
    said = np.where(np.arange(len(subject.x))[:, None] < subject.real // 10, [0.0, 1.0], [1.0, 0.0])  # a tenth is rare
    said[subject.real :] = 0.5  # so that the mixed rows can be told
    lesson.learn(Taught(Teacher((), 2), 10, said), None)
    lesson.start(0)
    rows, goal = (np.asarray(keras.ops.convert_to_numpy(each)) for each in lesson.rows())
    assert {row.tobytes() for row in rows} <= {row.tobytes() for row in subject.x}
    chances = np.exp(goal)
    assert (np.abs(chances - 0.5) < 0.1).all(axis=1).mean() == pytest.approx(0.5, abs=0.03)
    assert (chances[:, 1] > 0.9).mean() == pytest.approx(0.25, abs=0.03)
    assert (chances[:, 0] > 0.9).mean() == pytest.approx(0.25, abs=0.03)


def test_large_tables_are_taught_on_a_part_of_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lessons, "ROWS", 50)
    case = learner.classes()
    subject = Subject.of(case.x, case.encoder, 3)
    assert subject.real == 50
    assert {row.tobytes() for row in subject.x[:50]} <= {row.tobytes() for row in case.x}
    assert subject.x.tobytes() == Subject.of(case.x, case.encoder, 3).x.tobytes()


@pytest.mark.parametrize("begin", [0.0, 0.5])
def test_a_lesson_begins_at_its_step_and_is_learned(begin: float) -> None:
    case = learner.classes()
    fitted = fit(case, steps=200, teacher_weight=3.0, teach_from=begin)
    done, told = fitted.history[:, 0], fitted.history[:, TEACHER]
    assert (done[0], done[-1]) == (4, 200)
    assert (told[done <= begin * 200] == 0).all()
    assert (told[done > begin * 200] > 0).all()
    assert told[-1] < 0.1
    assert (fitted.outputs(case.x)[0].argmax(axis=1) == case.truth).mean() > 0.85


def test_labels_and_the_real_fake_term_step_back_when_the_lesson_begins_and_not_before() -> None:
    schedule = Schedule(steps=100, learning_rate=0.1, warmup=0.0, cooldown=0.5, ramp=0.25, taught_from=50)
    asked = ("supervised", "real_fake", "consistency", "teacher")
    before, after = ([float(schedule.counting(term, np.int32(step))) for term in asked] for step in (49, 50))
    assert before == [1, 1, 1, 0]
    assert after == pytest.approx([0.1, 1 / 3, 1, 1])


def test_the_fewer_labels_a_teacher_had_the_less_it_says() -> None:
    own, theirs = np.log([[0.9, 0.1]]), np.array([[0.1, 0.9]])
    said = [fuse(own, theirs, per_class)[0, 0] for per_class in (5, 10, 25, 1000)]
    assert said[0] == said[1] > said[2] > said[3]
    assert said[0] == pytest.approx(0.5 * 0.9**0.3 / (0.9**0.3 + 0.1**0.3) + 0.05)


@pytest.mark.parametrize("begin", [0.0, 0.5])
def test_a_lesson_hears_what_the_discriminator_has_found_if_it_does_not_begin_with_the_run(
    begin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, heard, learn = learner.classes(), [], TaughtRows.learn
    given = {"steps": 20, "hidden": (32, 32), "teacher_weight": 3.0, "teach_from": begin}
    knobs = resolve(TrainParams.model_validate(given), case.contract)
    head = head_for(case.contract, case.y, knobs.head)
    taught = taught_by(case.x, case.y, case.encoder, head, knobs)

    def listen(lesson: TaughtRows, said: Taught, own: Callable[[np.ndarray], np.ndarray] | None) -> None:
        heard.append(own and own(lesson.subject.x))
        learn(lesson, said, own)

    monkeypatch.setattr(TaughtRows, "learn", listen)
    run = Run(case.x, case.y, case.encoder, head, knobs, taught)
    assert run.taught_from == begin * 20
    if begin:
        run.advance(0, run.taught_from)
    assert heard == []
    found = task_and_realness(run.nets.average, head, Subject.of(case.x, case.encoder, knobs.seed).x)[0]
    run.teach(taught)
    (own,) = heard
    assert (own is None) == (begin == 0)
    if own is not None:
        assert np.array_equal(own, found)


def test_what_the_discriminator_has_found_is_part_of_the_lesson() -> None:
    case, state = learner.classes(), State()
    lesson = TaughtRows(Subject.of(case.x, case.encoder, 0), ClassHead(2), 64, Draws(1), state)
    said, found = (np.tile(row, (len(lesson.subject.x), 1)) for row in ([0.1, 0.9], [3.0, 0.0]))
    goals = []
    for own in (None, lambda rows: found[: len(rows)]):
        lesson.learn(Taught(Teacher((), 2), 40, said), own)
        lesson.start(0)
        goals.append(np.exp(keras.ops.convert_to_numpy(lesson.rows()[1])))
    np.testing.assert_allclose(goals[0], said[:64], atol=1e-6)
    np.testing.assert_allclose(goals[1], fuse(found, said, 20)[:64], atol=1e-6)  # 20 labels of each class
    assert np.abs(goals[1] - goals[0]).min() > 0.2


def test_a_run_that_was_killed_during_its_lesson_ends_with_the_same_bits(tmp_path: Path) -> None:
    case, knobs = learner.classes(), {"steps": 100, "teacher_weight": 3.0, "teach_from": 0.5}
    checkpoints = Checkpoints(tmp_path, "this run")

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            if epoch == self.at:
                raise KeyboardInterrupt

        at = 0

    whole = fit(case, **knobs)
    for at in (25, 35):  # the last step before the lesson, and one within it
        interrupt = Interrupt()
        interrupt.at = at
        with pytest.raises(KeyboardInterrupt):
            fit(case, more={"checkpoints": checkpoints, "callbacks": [interrupt]}, **knobs)
        resumed = fit(case, more={"checkpoints": checkpoints}, **knobs)
        assert np.array_equal(resumed.history, whole.history)
        pairs = zip(resumed.discriminator.get_weights(), whole.discriminator.get_weights(), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
        checkpoints.clear()
