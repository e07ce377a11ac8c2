"""The stage `baselines`: who has a try, on which rows, and what happens to one that cannot."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from judged import make_frame, make_project, write_prepared

from ssgan.config import BaselinesParams, set_knob
from ssgan.contract import read_contract
from ssgan.errors import ParamsError
from ssgan.judge.baselines import answer, baselines, read_plan, stored_answers, stored_curves, tasks_of
from ssgan.judge.methods import CLASSIFIERS, REGRESSORS, Task, predict, rows_within, stack
from ssgan.judge.prepared import read_prepared
from ssgan.learn.teacher import teach
from ssgan.learn.training_rows import TrainingRows
from ssgan.progress import listening
from ssgan.project import Project

KNOBS = BaselinesParams(trees=10)


def quick(project):
    set_knob(project.params, "baselines.trees=10")
    return project


@pytest.fixture
def project(tmp_path):
    return quick(make_project(tmp_path))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A project whose baselines have learned. Do not change it."""
    project = quick(make_project(tmp_path_factory.mktemp("learned") / "project"))
    baselines(project)
    return project


@pytest.fixture(scope="module")
def crossfitted(tmp_path_factory):
    """The same with crossfit and a curve."""
    project = quick(make_project(tmp_path_factory.mktemp("crossfitted") / "project", folds=3))
    set_knob(project.params, "evaluate.curve=[0.5]")
    baselines(project)
    return project


def test_every_baseline_answers_every_labelled_test_row_with_probabilities(learned):
    answers, reasons = stored_answers(learned, read_prepared(learned))
    assert reasons == {}
    assert list(answers) == list(CLASSIFIERS)
    for name, probabilities in answers.items():
        assert probabilities.shape == (80, 3), name
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(80)), name


def test_every_baseline_of_a_regression_answers_with_values(tmp_path):
    project = quick(make_project(tmp_path, classes=()))
    baselines(project)
    answers, reasons = stored_answers(project, read_prepared(project))
    assert reasons == {}
    assert list(answers) == list(REGRESSORS)
    assert {values.shape for values in answers.values()} == {(80,)}
    truth = read_prepared(project).truth
    assert np.abs(answers["ridge"] - truth).mean() < np.abs(answers["mean"] - truth).mean() / 2


def test_the_same_rows_and_seed_give_the_same_bytes(learned, project):
    baselines(project)
    assert project.baselines.read_bytes() == learned.baselines.read_bytes()


def test_the_stack_is_weighed_on_folds_that_keep_groups_together(project):
    prepared = read_prepared(project)
    known = prepared.labelled
    task = Task(prepared.x, prepared.y, known, prepared.fold % 2, prepared.x[:20], 3, KNOBS)
    together = teach(
        np.asarray(prepared.x[known], np.float32), prepared.y[known], 3, KNOBS.seed, prepared.fold[known] % 2
    )
    alone = teach(np.asarray(prepared.x[known], np.float32), prepared.y[known], 3, KNOBS.seed)
    said = predict(stack(task), task)
    np.testing.assert_array_equal(said, together.answers(task.asked))
    assert not np.array_equal(said, alone.answers(task.asked))


def test_a_baseline_that_learns_beats_the_majority_guess(learned):
    prepared = read_prepared(learned)
    answers, _ = stored_answers(learned, prepared)
    right = {name: (each.argmax(axis=1) == prepared.truth).mean() for name, each in answers.items()}
    assert all(right[name] > right["majority"] + 0.3 for name in right if name != "majority"), right


def test_a_baseline_that_cannot_learn_leaves_its_reason_and_the_others_their_answers(tmp_path):
    project = quick(make_project(tmp_path))
    contract = read_contract(project.contract)
    train = make_frame(contract, 60, 60, seed=0)
    train.loc[train["y"] != "red", "y"] = None  # only one class has a label
    write_prepared(project, contract, train, make_frame(contract, 40, 30, seed=1))
    lines = []
    with listening(lines.append):
        baselines(project)
    answers, reasons = stored_answers(project, read_prepared(project))
    assert "2 classes" in reasons["logistic_regression"]
    assert any("logistic regression is left out" in line.text for line in lines)
    assert "majority" in answers
    assert answers.keys() | reasons.keys() == set(CLASSIFIERS)


def test_a_class_with_a_single_labelled_row_does_not_stop_the_baselines(tmp_path):
    project = quick(make_project(tmp_path))
    contract = read_contract(project.contract)
    train = make_frame(contract, 90, 60, seed=0)
    train.loc[train.index[train["y"] == "blue"][1:], "y"] = None
    write_prepared(project, contract, train, make_frame(contract, 40, 30, seed=1))
    baselines(project)
    assert stored_answers(project, read_prepared(project))[1] == {}


def test_answers_about_other_test_rows_are_left_out(learned, tmp_path):
    project = Project(shutil.copytree(learned.root, tmp_path / "project"))
    contract = read_contract(project.contract)
    write_prepared(project, contract, make_frame(contract, 60, 60, seed=0), make_frame(contract, 40, 30, seed=1))
    answers, reasons = stored_answers(project, read_prepared(project))
    assert answers == {}
    assert "run `ssgan baselines` again" in reasons["majority"]


def test_self_training_needs_unlabelled_rows_and_says_so(tmp_path):
    project = quick(make_project(tmp_path, train=40, labelled=40))
    baselines(project)
    _, reasons = stored_answers(project, read_prepared(project))
    assert reasons == {"self_training": "every training row has a label, so there is none to predict"}


def test_a_cap_on_rows_leaves_every_labelled_row():
    labelled = np.arange(100) % 10 == 0
    knobs = BaselinesParams(semi_supervised_rows_at_most=30)
    rows = rows_within(labelled, knobs)
    assert len(rows) == 30
    assert set(np.flatnonzero(labelled)) <= set(rows)
    assert rows.tolist() == rows_within(labelled, knobs).tolist()
    assert rows.tolist() != rows_within(labelled, knobs.model_copy(update={"seed": 1})).tolist()


def test_baselines_see_the_numbers_that_the_ssgan_sees(project):
    prepared = read_prepared(project)
    (task,) = tasks_of("random_forest", prepared, read_plan(prepared, ()), KNOBS)
    stored = TrainingRows.read(project.prepared)
    assert (task.x == stored.x).all()
    assert (task.y == stored.y).all()
    assert (task.labelled.sum(), len(task.asked)) == (30, 80)


def test_answers_that_are_not_numbers_are_refused(project):
    class Broken:
        classes_ = np.arange(3)

        def predict_proba(self, rows):
            return np.full((len(rows), 3), np.inf)

    prepared = read_prepared(project)
    (task,) = tasks_of("random_forest", prepared, read_plan(prepared, ()), KNOBS)
    with pytest.raises(ValueError, match="not all finite"):
        answer(lambda _: Broken(), task)


def test_with_crossfit_every_labelled_row_is_answered_by_a_model_that_does_not_know_its_label(crossfitted):
    prepared = read_prepared(crossfitted)
    tasks = tasks_of("nearest_neighbours", prepared, read_plan(prepared, ()), KNOBS)
    assert sum(int(task.labelled.sum()) for task in tasks) == 60
    for task in tasks:
        known = task.x[task.labelled]
        assert not (task.asked[:, None] == known[None]).all(axis=2).any()
    answers, reasons = stored_answers(crossfitted, prepared)
    assert reasons == {}
    assert {each.shape for each in answers.values()} == {(30, 3)}


def test_with_crossfit_the_guess_is_the_same_for_every_row_and_so_no_worse_than_chance(crossfitted):
    answers, _ = stored_answers(crossfitted, read_prepared(crossfitted))
    assert len(np.unique(answers["majority"], axis=0)) == 1


def test_the_curve_has_the_answers_of_every_baseline_that_learns(crossfitted):
    curves = stored_curves(crossfitted)
    assert set(curves) == set(CLASSIFIERS) - {"majority"}
    assert {each.shape for each in curves.values()} == {(1, 30, 3)}


def test_a_baseline_of_the_users_has_a_try_too(project):
    set_knob(project.params, "baselines.more={naive: sklearn.naive_bayes.GaussianNB, vectors: sklearn.svm.LinearSVC}")
    baselines(project)
    prepared = read_prepared(project)
    answers, _ = stored_answers(project, prepared)
    assert list(answers)[-2:] == ["naive", "vectors"]
    assert (answers["naive"].argmax(axis=1) == prepared.truth).mean() > 0.6
    assert set(np.unique(answers["vectors"])) == {0.0, 1.0}  # it says classes, no probabilities


def test_a_baseline_of_the_users_that_cannot_learn_is_left_out_with_its_reason(project):
    set_knob(project.params, "baselines.more={bins: sklearn.naive_bayes.CategoricalNB}")  # of negative numbers
    baselines(project)
    answers, left_out = stored_answers(project, read_prepared(project))
    assert "random_forest" in answers
    assert left_out["bins"].startswith("ValueError: Negative values")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("{mine: nowhere.Model}", "cannot be imported .*give it as package.module.Class"),
        ("{mine: sklearn.svm.Nothing}", "cannot be imported"),
        ("{boosting: sklearn.svm.SVC}", "is a baseline already; rename it"),
        ("{mine: sklearn.ensemble.VotingClassifier}", "without arguments .*'estimators'.*name a function of yours"),
        ("{mine: sklearn.preprocessing.StandardScaler}", "has no `fit` and `predict`"),
        ("{mine: sklearn.svm.SVR}", "answers with values, but the label has classes"),
    ],
)
def test_a_baseline_that_is_none_is_the_users_mistake(project, more, said):
    set_knob(project.params, f"baselines.more={more}")
    with pytest.raises(ParamsError, match=said):
        baselines(project)
