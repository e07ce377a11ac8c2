"""Teachers: members weighted by what they say of held-out labelled rows."""

from __future__ import annotations

import numpy as np
import pytest

from ssgan.learn import plain, teacher
from ssgan.learn.plain import CLASS_MEMBERS, VALUE_MEMBERS
from ssgan.learn.stacking import class_weights, value_weights
from ssgan.learn.teacher import teach

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 5)).astype(np.float32)
LINE = (2 * X[:, 0] - X[:, 1]).astype(np.float64)
STEPS = np.where(X[:, 0] > 0, 5.0, 0.0) + np.where(X[:, 1] > 0.5, 3.0, 0.0)


@pytest.fixture(autouse=True)
def _small_forests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "TREES", 40)


def share(made: teacher.Teacher, *names: str) -> float:
    return sum(member.weight for member in made.members if any(name in member.name for name in names))


def test_the_member_that_fits_the_data_has_the_say() -> None:
    assert share(teach(X[:80], LINE[:80], 0, 0), "ridge", "Gaussian process") > 0.9
    assert share(teach(X[:80], STEPS[:80], 0, 0), "random forest", "extra trees") > 0.6


def test_weights_of_classes_sum_to_1_and_those_of_values_leave_room_for_the_mean() -> None:
    made = teach(X[:50], (LINE[:50] > 0).astype(int), 2, 0)
    assert sum(member.weight for member in made.members) == pytest.approx(1)
    noise = np.random.default_rng(1).normal(5.0, 1.0, 60)  # nothing can be foretold
    made = teach(X[:60], noise, 0, 0)
    assert share(made, "") < 0.5
    assert np.abs(made.answers(X)[:, 0] - noise.mean()).mean() < 0.4


def test_the_fewer_rows_judge_the_nearer_weights_are_to_equal_ones() -> None:
    chances = np.tile([0.9, 0.1], (1000, 1))
    few, many = class_weights(chances[:10])[0], class_weights(chances)[0]
    assert 0.5 < few < 0.6 < 0.9 < many
    values = np.random.default_rng(2).normal(size=(1000, 2))
    few, many = (value_weights(values[:rows], values[:rows, 0]) for rows in (5, 1000))
    assert few[1] > many[1]
    assert many == pytest.approx([1.0, 0.0], abs=0.02)


def test_a_member_that_knows_the_groups_by_heart_is_judged_on_others() -> None:
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(12), 10)  # patients, each of whom has a value of their own and looks like no other
    rows = (rng.normal(size=(12, 5))[group] + 0.01 * rng.normal(size=(120, 5))).astype(np.float32)
    value = rng.normal(size=12)[group]
    by_group, by_row = (teach(rows, value, 0, 0, groups) for groups in (group, None))
    assert share(by_group, "") < 0.7 < 0.9 < share(by_row, "")


def test_a_teacher_of_values_is_near_the_truth_on_rows_it_has_not_seen() -> None:
    said = teach(X[:80], LINE[:80], 0, 0).answers(X[80:])
    assert said.shape == (320, 1)
    assert np.sqrt(np.mean((said[:, 0] - LINE[80:]) ** 2)) < 0.15 * LINE.std()


def test_a_teacher_of_classes_gives_probabilities_of_all_classes_also_of_one_without_rows() -> None:
    truth = np.where(X[:, 0] > 0, 2, 0)  # class 1 has no labelled row
    said = teach(X[:60], truth[:60], 3, 0).answers(X[60:])
    assert said.shape == (340, 3)
    assert said.sum(axis=1) == pytest.approx(np.ones(340), abs=1e-5)
    assert (said[:, 1] == 0).all()
    assert (said.argmax(axis=1) == truth[60:]).mean() > 0.9


@pytest.mark.parametrize("classes", [0, 3])
def test_equal_seeds_give_equal_bits(classes: int) -> None:
    targets = np.digitize(LINE, [-1, 1]) if classes else STEPS
    first, again, other = (teach(X[:40], targets[:40], classes, seed).answers(X) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("rows", [1, 2, 4, 7])
def test_a_handful_of_labelled_rows_is_enough_to_say_something(rows: int) -> None:
    assert np.isfinite(teach(X[:rows], LINE[:rows], 0, 0).answers(X)).all()
    few = np.arange(rows) % 3  # classes with one row, or two
    assert np.isfinite(teach(X[:rows], few, 3, 0).answers(X)).all()
    one_group = np.zeros(rows)
    assert np.isfinite(teach(X[:rows], few, 3, 0, one_group).answers(X)).all()


def test_labels_that_are_all_the_same_are_what_it_says() -> None:
    assert teach(X[:9], np.full(9, 4.5), 0, 0).answers(X) == pytest.approx(np.full((400, 1), 4.5))
    assert (teach(X[:9], np.ones(9, int), 2, 0).answers(X)[:, 1] == 1).all()


def test_forests_stay_small_however_many_rows_are_labelled() -> None:
    many = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    for name, makers in (("random forest", VALUE_MEMBERS), ("extra trees", CLASS_MEMBERS)):
        targets = (many[:, 0] > 0).astype(int)
        forest = makers[name](len(many), 2, 0).fit(many, targets)
        assert sum(tree.tree_.n_leaves for tree in forest.estimators_) <= 2 * plain.LEAVES
        assert forest.max_samples * len(many) == pytest.approx(plain.TREE_ROWS)


def test_a_gaussian_process_is_capped_in_rows_and_in_lengths() -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    process = VALUE_MEMBERS["Gaussian process"](3000, 1, 0).fit(rows, rows[:, 0].astype(float))
    assert len(process.model.X_train_) == plain.GAUSSIAN_ROWS
    assert process.predict(rows) == pytest.approx(rows[:, 0], abs=0.1)
    for columns, lengths in ((plain.COLUMNS, plain.COLUMNS), (plain.COLUMNS + 1, 1)):
        wide = np.random.default_rng(0).normal(size=(20, columns)).astype(np.float32)
        process = VALUE_MEMBERS["Gaussian process by columns"](20, 1, 0).fit(wide, wide[:, 0].astype(float))
        assert np.size(process.model.kernel_.k1.k2.length_scale) == lengths


def test_a_class_that_lies_in_one_group_is_no_obstacle() -> None:
    targets, groups = np.array([0] * 9 + [1] * 3), np.array([0] * 5 + [1] * 4 + [2] * 3)
    said = teach(X[:12], targets, 2, 0, groups).answers(X)
    assert np.isfinite(said).all()
    assert said.sum(axis=1) == pytest.approx(np.ones(400), abs=1e-5)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("rows", [10, 30])
def test_values_of_which_nearly_all_are_nought_are_no_obstacle(rows: int, grouped: bool) -> None:
    x, targets = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32), np.zeros(rows)
    targets[-1] = 5.0
    made = teach(x, targets, 0, 0, np.arange(rows) % 5 if grouped else None)
    said = made.answers(x)[:, 0]
    assert np.isfinite(said).all()
    assert said[-1] > said[:-1].mean()
