"""Teachers: members weighted by their errors on held-out labelled rows."""

from __future__ import annotations

import numpy as np
import pytest

from ssgan.learn import teacher
from ssgan.learn.teacher import CLASS_MEMBERS, VALUE_MEMBERS, class_teacher, lessons, teach, value_teacher

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32)
LINE = (2 * X[:, 0] - X[:, 1]).astype(np.float64)
STEPS = np.where(X[:, 0] > 0, 5.0, 0.0) + np.where(X[:, 1] > 0.5, 3.0, 0.0)


def share(made: teacher.Teacher, *names: str) -> float:
    return sum(member.weight for member in made.members if member.name in names)


def test_the_member_that_fits_the_data_has_the_say() -> None:
    assert share(value_teacher(X[:80], LINE[:80], 0), "ridge", "Gaussian process") > 0.95
    assert share(value_teacher(X[:80], STEPS[:80], 0), "random forest", "extra trees") > 0.8


def test_weights_are_positive_and_sum_to_1() -> None:
    for made in (value_teacher(X[:50], LINE[:50], 0), class_teacher(X[:50], (LINE[:50] > 0).astype(int), 2, 0)):
        weights = [member.weight for member in made.members]
        assert sum(weights) == pytest.approx(1)
        assert min(weights) > 0


def test_a_teacher_of_values_is_near_the_truth_on_rows_it_has_not_seen() -> None:
    said = teach(X[:80], LINE[:80], X[80:], 0)
    assert said.dtype == np.float32
    assert said.shape == (320,)
    assert np.sqrt(np.mean((said - LINE[80:]) ** 2)) < 0.1 * LINE.std()


def test_a_teacher_of_classes_gives_probabilities_of_all_classes_also_of_one_without_rows() -> None:
    truth = np.where(X[:, 0] > 0, 2, 0)  # class 1 has no labelled row
    said = teach(X[:60], truth[:60], X[60:], 0, classes=3)
    assert said.shape == (340, 3)
    assert said.sum(axis=1) == pytest.approx(np.ones(340), abs=1e-5)
    assert (said[:, 1] == 0).all()
    assert (said.argmax(axis=1) == truth[60:]).mean() > 0.9


@pytest.mark.parametrize("classes", [0, 3])
def test_equal_seeds_give_equal_bits(classes: int) -> None:
    targets = np.digitize(LINE, [-1, 1]) if classes else STEPS
    first, again, other = (teach(X[:40], targets[:40], X[40:], seed, classes) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7])
def test_a_handful_of_labelled_rows_is_enough_to_say_something(rows: int) -> None:
    assert np.isfinite(teach(X[:rows], LINE[:rows], X, 0)).all()
    few = np.arange(rows) % 3  # classes with one row, or two
    assert np.isfinite(teach(X[:rows], few, X, 0, classes=3)).all()


def test_labels_that_are_all_the_same_are_what_it_says() -> None:
    assert teach(X[:9], np.full(9, 4.5), X, 0) == pytest.approx(np.full(400, 4.5))
    assert (teach(X[:9], np.ones(9, int), X, 0, classes=2)[:, 1] == 1).all()


def test_images_are_read_as_rows_of_pixels() -> None:
    images = X[:, :4].reshape(-1, 2, 2, 1)
    assert teach(images[:40], LINE[:40], images, 0).tobytes() == teach(X[:40, :4], LINE[:40], X[:, :4], 0).tobytes()


def test_lessons_are_about_every_row_and_look_at_labelled_ones_alone() -> None:
    known = np.arange(400) < 40
    told = lessons(X, np.where(known, LINE, np.nan), known, 0, 0)
    assert told.tobytes() == teach(X[:40], LINE[:40], X, 0).tobytes()


def test_forests_stay_small_however_many_rows_are_labelled() -> None:
    many = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    for name, makers in (("random forest", VALUE_MEMBERS), ("extra trees", CLASS_MEMBERS)):
        targets = (many[:, 0] > 0).astype(int)
        forest = makers[name](len(many), 0).fit(many, targets)
        assert sum(tree.tree_.n_leaves for tree in forest.estimators_) <= 2 * teacher.LEAVES
        assert forest.max_samples * len(many) == pytest.approx(teacher.TREE_ROWS)


def test_a_gaussian_process_is_capped_in_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    process = VALUE_MEMBERS["Gaussian process"](3000, 0).fit(rows, rows[:, 0].astype(float))
    assert len(process.model.X_train_) == teacher.GAUSSIAN_ROWS
    assert process.predict(rows) == pytest.approx(rows[:, 0], abs=0.1)
