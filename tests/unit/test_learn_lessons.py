"""Lessons: which rows they are about, what is in them, and when they begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssgan.learn import lessons, plain
from ssgan.learn.backend import Draws, State, keras
from ssgan.learn.checkpoint import Checkpoints
from ssgan.learn.heads import ClassHead
from ssgan.learn.lessons import Subject, Taught, mixed
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
    told = fitted.history[:, TEACHER]
    assert (fitted.outputs(case.x)[0].argmax(axis=1) == case.truth).mean() > 0.85
    assert told[-1] < 0.1
    assert (fitted.history[:, 0] <= 200).all()


def test_the_fewer_labels_a_teacher_had_the_less_it_says() -> None:
    own, theirs = np.log([[0.9, 0.1]]), np.array([[0.1, 0.9]])
    said = [fuse(own, theirs, per_class)[0, 0] for per_class in (5, 10, 25, 1000)]
    assert said[0] == said[1] > said[2] > said[3]
    assert said[0] == pytest.approx(0.5 * 0.9**0.3 / (0.9**0.3 + 0.1**0.3) + 0.05)


def test_what_the_discriminator_has_found_is_part_of_the_lesson() -> None:
    case = learner.classes()
    knobs = {"steps": 100, "teacher_weight": 3.0, "teach_from": 0.5}
    goals = []
    for weight in (0.0, 3.0):
        fitted = fit(case, gan_weight=weight, **knobs)
        goals.append(fitted.outputs(case.x)[0])
    assert not np.array_equal(*goals)


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
