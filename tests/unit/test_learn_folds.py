"""Folds: no label leaks, no group is torn, and one compiled run serves all of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from learner import Case, classes, fit, values

from ssgan.config import TrainParams
from ssgan.learn import plain
from ssgan.learn.fit import finish
from ssgan.learn.folds import Answered, Kept, answer
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import Knobs, resolve
from ssgan.learn.lessons import Lessons, Subject, Taught, is_asked, taught_by
from ssgan.learn.plan import Plan, Subset, hidden, nested
from ssgan.learn.prepare import fold_numbers, is_labelled
from ssgan.learn.run import Run
from ssgan.learn.teacher import Teacher
from ssgan.records import Split


@pytest.fixture(autouse=True)
def _equal_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "TREES", 40)
    monkeypatch.setattr(plain, "PART_TREES", 40)


def _knobs(case: Case, **more: object) -> Knobs:
    given = TrainParams.model_validate({"steps": 60, "hidden": (32, 32), "teacher_weight": 0.0, **more})
    return resolve(given, case.contract)


def _subsets(case: Case, folds: int = 3) -> list[Subset]:
    known = np.flatnonzero(is_labelled(case.y))
    numbers = fold_numbers(case.y[known], known.astype(str), folds, 0, len(case.contract.classes))
    asked = [np.flatnonzero(numbers == each) for each in range(folds)]
    return [Subset(f"fold {each}", numbers != each, case.x[known[rows]], rows) for each, rows in enumerate(asked)]


def _run(case: Case, **more: object) -> Run:
    knobs = _knobs(case, **more)
    head = head_for(case.contract, case.y, knobs.head)
    return Run(case.x, case.y, case.encoder, head, knobs, taught_by(case.x, case.y, case.encoder, head, knobs))


def _answered(case: Case, subsets: list[Subset], kept: Kept | None = None, run: Run | None = None) -> list[Answered]:
    run = run or _run(case)
    wanted = [each.learned for each in subsets]
    lessons = Lessons(case.x, case.y, case.encoder, run.nets.head, run.knobs, wanted) if is_asked(run.knobs) else None
    found = answer(run, subsets, lessons, case.x[:7], "test", kept)
    if lessons is not None:
        lessons.close()
    return found


def test_a_fold_answers_bit_for_bit_as_a_model_trained_from_the_start_without_its_labels() -> None:
    case = classes(labelled=9)
    subsets, run = _subsets(case), _run(case, teacher_weight=3.0)
    finish(run, "all labels")  # a run that has learned from all of them, and begins anew for the folds
    for subset, found in zip(subsets, _answered(case, subsets, run=run), strict=True):
        alone = fit(case, hidden(case.y, subset.learned), teacher_weight=3.0)
        task, realness = alone.outputs(subset.asked)
        np.testing.assert_array_equal(found.task, task)
        np.testing.assert_array_equal(found.realness, realness)
        np.testing.assert_array_equal(found.pool, alone.outputs(case.x[:7])[0])


def test_folds_that_learn_at_once_answer_with_the_same_bits_again_and_when_some_were_kept(tmp_path: Path) -> None:
    case, kept = classes(labelled=4), Kept(tmp_path / "folds", "run")
    subsets = _subsets(case)
    first = _answered(case, subsets, kept)
    kept._path(subsets[1]).unlink()  # killed before all were written
    second, third = _answered(case, subsets, kept), _answered(case, subsets)
    for each in zip(first, second, third, strict=True):
        assert len({found.task.tobytes() for found in each}) == 1


@pytest.mark.parametrize("make", [classes, values])
def test_a_label_that_a_fold_may_not_see_changes_none_of_its_answers(make: object) -> None:
    case: Case = make(labelled=8)  # type: ignore[operator]
    known = np.flatnonzero(is_labelled(case.y))
    learned = np.arange(len(known)) >= 4
    other = case.y.copy()
    other[known[:4]] = other[known[:4]][::-1]  # the scale of values is that of all labels, so that it must stay
    asked = np.arange(4)
    subsets = [Subset("half", learned, case.x[known[:4]], asked), Subset("all", learned | ~learned, case.x[:4], asked)]
    cases = [replace(case, y=y) for y in (case.y, other)]
    first, second = (_answered(each, subsets, run=_run(each, teacher_weight=3.0)) for each in cases)
    np.testing.assert_array_equal(first[0].task, second[0].task)
    assert (first[1].task != second[1].task).any()  # which learned beside it and saw them


def test_a_teacher_is_waited_for_when_its_lesson_begins_and_not_before() -> None:
    case, asked = classes(labelled=4), []
    knobs = _knobs(case, teacher_weight=3.0)
    head = head_for(case.contract, case.y, knobs.head)

    def teacher() -> Taught:
        asked.append("now")
        said = np.full((len(Subject.of(case.x, case.encoder, knobs.seed).x), 2), 0.5)
        return Taught(Teacher((), 2), 8, said)

    run = Run(case.x, case.y, case.encoder, head, knobs, teacher)
    assert run.taught_from is not None
    run.advance(0, run.taught_from)
    assert asked == []
    run.advance(run.taught_from, 1)
    assert asked == ["now"]


def test_a_class_that_a_fold_does_not_have_is_no_obstacle() -> None:
    case = classes(labelled=3)
    learned = case.y[is_labelled(case.y)] == 0
    (found,) = _answered(case, [Subset("one class", learned, case.x[:5], np.arange(5))])
    assert np.isfinite(found.task).all()


def test_a_group_falls_into_one_fold_and_every_fold_has_its_share_of_a_class() -> None:
    labels, groups = np.arange(60) % 3, np.arange(60) // 4
    numbers = fold_numbers(labels, groups, 5, 1, 3)
    assert all(len(np.unique(numbers[groups == each])) == 1 for each in range(15))
    assert np.bincount(numbers).tolist() == [12] * 5
    assert np.bincount(fold_numbers(np.linspace(0, 1, 50), np.arange(50), 5, 1, 0)).tolist() == [10] * 5


def test_there_are_no_more_folds_than_groups() -> None:
    assert fold_numbers(np.array([0, 1, 0]), np.array(["a", "b", "b"]), 5, 0, 2).max() == 1
    assert fold_numbers(np.array([0, 1]), np.array(["a", "a"]), 5, 0, 2).tolist() == [0, 0]


def test_a_smaller_subset_lies_within_a_larger_one_and_keeps_every_class() -> None:
    labels, learned = np.array([0] * 40 + [1] * 4), np.arange(44) % 4 != 0
    small, large = (nested(labels, [learned], share) for share in (0.25, 0.5))
    assert not (small & ~large).any()
    assert not (large & ~learned).any()
    assert np.bincount(labels[small], minlength=2).tolist() == [10, 1]


def _plan(y: np.ndarray, method: Literal["crossfit", "holdout"], shares: list[float] | None) -> Plan:
    known = is_labelled(y)
    fold = np.full(len(y), -1)
    fold[known] = fold_numbers(y[known], np.arange(known.sum()).astype(str), 5, 0, 2)
    x = np.arange(len(y), dtype=np.float32)[:, None]
    return Plan.of(Split(method=method, folds=5, judged=int(known.sum())), x, y, fold, x[known], shares)


@pytest.mark.parametrize("method", ["crossfit", "holdout"])
def test_every_point_of_the_curve_asks_each_row_once_and_knows_more_than_the_point_before(method: object) -> None:
    y = np.repeat([0, 1, -1], [30, 20, 9])
    plan = _plan(y, method, [0.75, 0.5, 0.25])  # type: ignore[arg-type]
    assert [len(step) for step in plan.curve] == ([2, 2, 5] if method == "crossfit" else [1, 1, 1])
    known: list[np.ndarray] = []
    for step in (*plan.curve, plan.whole):
        assert sorted(np.concatenate([each.places for each in step])) == list(range(50))
        who = np.empty((50, 50), bool)  # whose label was known when a row was asked
        for each in step:
            who[each.places] = each.learned
        assert method == "holdout" or not who.diagonal().any()
        known.append(who)
    assert all(not (small & ~large).any() for small, large in pairwise(known))
    assert [round(each.sum(axis=1).mean()) for each in known] == (
        [10, 20, 30, 40] if method == "crossfit" else [13, 25, 37, 50]
    )


def test_the_curve_has_no_point_where_labels_are_too_few_for_it() -> None:
    plans = [_plan(np.repeat([0, 1, -1], [30, rare, 9]), "crossfit", None) for rare in (4, 5, 10)]
    assert [len(each.curve) for each in plans] == [0, 1, 2]


def test_answers_that_were_kept_are_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = classes(labelled=4)
    subsets, kept = _subsets(case, 2), Kept(tmp_path / "folds", "run")
    first = _answered(case, subsets, kept)
    monkeypatch.setattr(Run, "begin", None)  # whoever trains now fails
    second = _answered(case, subsets, kept)
    assert [each.task.tolist() for each in first] == [each.task.tolist() for each in second]
    kept.clear()
    assert not (tmp_path / "folds").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_kept_answers_that_were_cut_off_are_computed_again(tmp_path: Path, content: bytes) -> None:
    case = classes(labelled=4)
    subset, kept = _subsets(case, 2)[0], Kept(tmp_path, "run")
    found = Answered(*(np.zeros((2, 2), np.float32) for _ in range(4)))
    kept.write(subset, found)
    assert kept.read(subset) is not None
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert kept.read(subset) is None
