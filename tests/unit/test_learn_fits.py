"""Members are fitted once to each set of labelled rows, and no teacher hears of a label that it may not see."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ssgan.learn import plain
from ssgan.learn.fits import Labels, Need, merged
from ssgan.learn.plain import CLASS_MEMBERS, VALUE_MEMBERS, light
from ssgan.learn.teacher import teach, teachers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
VALUE = X[:, 0] - X[:, 1] + 0.3 * RNG.normal(size=90)
CLASS = np.digitize(VALUE, [-0.7, 0.7])
FOLD = RNG.permutation(90) % 5
WANTED = [np.ones(90, bool), *(fold != FOLD for fold in range(5))]


@pytest.fixture(autouse=True)
def _small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "TREES", 12)
    monkeypatch.setattr(plain, "PART_TREES", 12)
    monkeypatch.setattr(plain, "CV_TREES", 8)
    monkeypatch.setattr(plain, "ROUNDS", 10)


def labels(classes: int, targets: np.ndarray | None = None) -> Labels:
    own = CLASS if classes else VALUE
    return Labels.of(X, own if targets is None else targets, classes, 1, FOLD)


def test_the_teachers_of_five_folds_and_of_the_whole_take_16_fits() -> None:
    jobs = merged(Need(labels(3), learned) for learned in WANTED)
    assert len(jobs) == 16
    assert [job.learned.sum() for job in jobs if job.whole] == [90, 72, 72, 72, 72, 72]
    assert len({job.key for job in jobs}) == 16


@pytest.mark.parametrize("classes", [0, 3])
def test_a_teacher_that_shares_its_fits_is_the_one_fitted_alone_bit_for_bit(classes: int) -> None:
    shared = teachers(labels(classes), WANTED, X)
    for learned, (teacher, said) in zip(WANTED, shared, strict=True):
        targets = (CLASS if classes else VALUE)[learned]
        alone = teach(X[learned], targets, classes, 1, FOLD[learned])
        assert [each.weight for each in teacher.members] == [each.weight for each in alone.members]
        assert said is not None
        assert said.tobytes() == alone.answers(X).tobytes() == teacher.answers(X).tobytes()


@pytest.mark.parametrize("classes", [0, 3])
def test_labels_of_a_fold_change_nothing_of_its_own_teacher_and_something_of_the_others(classes: int) -> None:
    targets = (CLASS if classes else VALUE).copy()
    targets[FOLD == 2] = targets[FOLD == 2][::-1]
    wanted = WANTED[1:4]  # without fold 0, 1, 2
    before, after = (teachers(labels(classes, each), wanted, X) for each in (None, targets))
    same = [a[1].tobytes() == b[1].tobytes() for a, b in zip(before, after, strict=True)]  # type: ignore[union-attr]
    assert same == [False, False, True]


def test_no_member_that_weighs_a_teacher_has_seen_the_rows_it_is_asked() -> None:
    for learned in WANTED:
        own, *others = Need(labels(3), learned).jobs()
        assert (own.learned == learned).all()
        asked = [rows for job in others for rows in job.asked]
        assert own.asked == ()
        assert (np.sum(asked, axis=0) == learned).all()  # each labelled row once
        for job, rows in zip(others, asked, strict=True):
            assert (job.learned == learned & ~rows).all()


@pytest.mark.parametrize("makers", [CLASS_MEMBERS, VALUE_MEMBERS])
def test_a_light_forest_is_the_beginning_of_the_whole_one(makers: dict[str, plain.Make]) -> None:
    for make in makers.values():
        first, whole = light(make(90, 3, 1), 8).fit(X, CLASS), make(90, 3, 1).fit(X, CLASS)
        assert plain.answers(first, X, 3).tobytes() == plain.answers(light(whole, 8), X, 3).tobytes()


def test_a_teacher_of_some_of_the_labels_has_smaller_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "PART_TREES", 10)
    for (teacher, _), trees in zip(teachers(labels(3), WANTED[:2]), (12, 10), strict=True):
        forests = [each.model for each in teacher.members if each.name.endswith("trees") or "forest" in each.name]
        assert {model.n_estimators for model in forests if hasattr(model, "n_estimators")} == {trees}


def test_threads_that_fit_at_once_leave_warnings_as_they_were() -> None:
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        fitted = list(teachers(labels(0), WANTED, X, pool))
    assert len(fitted) == 6
    assert warnings.filters == before


def test_rows_beyond_the_cross_validation_are_learned_and_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ssgan.learn.stacking.CV_ROWS", 30)
    own, *others = Need(Labels.of(X, VALUE, 0, 1, None), np.ones(90, bool)).jobs()
    assert own.learned.all()
    assert sum(job.asked[0].sum() for job in others) == 30
    assert all(job.learned.sum() + job.asked[0].sum() == 30 for job in others)
