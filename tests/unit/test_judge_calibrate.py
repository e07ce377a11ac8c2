"""Calibration: against what others compute, and against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from ssgan.config import CalibrateParams
from ssgan.judge.calibrate import (
    bbse_shares,
    beside,
    class_shares,
    conformal_quantile,
    em_shares,
    fake_limit,
    fit,
    temperature,
)
from ssgan.learn.artefact import answers, class_probabilities
from ssgan.records import Calibration
from tests.unit import learner

KNOBS = CalibrateParams()


def logits(rows: int = 600, classes: int = 3, heat: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are `heat` times too sure of themselves, and labels drawn from what they should be."""
    generator = np.random.default_rng(seed)
    right = generator.normal(0, 1.5, (rows, classes))
    shares = np.exp(right) / np.exp(right).sum(axis=1, keepdims=True)
    truth = np.array([generator.choice(classes, p=each) for each in shares])
    return heat * right, truth


def test_the_temperature_undoes_what_made_logits_too_sure() -> None:
    task, truth = logits(4000)
    counts = np.bincount(truth)
    assert temperature(task, truth, counts / counts.sum()) == pytest.approx(3.0, rel=0.1)


def test_the_temperature_is_that_of_scikit_learn_where_rows_are_many() -> None:
    x, y = make_classification(2000, 8, n_informative=5, n_classes=3, weights=[0.4, 0.3, 0.3], random_state=0)
    model = LogisticRegression(C=100)
    task = 4.0 * cross_val_predict(model, x, y, cv=5, method="decision_function")
    counts = np.bincount(y)
    ours = temperature(task, y, counts / counts.sum())

    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Outputs(LogisticRegression):
        """Answers with the rows it is given: they are logits already."""

        def decision_function(self, rows):  # type: ignore[no-untyped-def]
            return rows

    fitted = Outputs().fit(task, y)
    theirs = CalibratedClassifierCV(FrozenEstimator(fitted), method="temperature").fit(task, y)
    expected = 1 / float(theirs.calibrated_classifiers_[0].calibrators[0].beta_)
    assert ours == pytest.approx(expected, rel=0.02)


def test_logits_that_are_all_right_do_not_become_infinitely_sure() -> None:
    truth = np.arange(30) % 3
    found = temperature(np.eye(3)[truth] * 2.0, truth, np.full(3, 1 / 3))
    sure = class_probabilities(np.eye(3)[:1] * 2.0, Calibration(rows=30, coverage=0.9, temperature=found)).max()
    assert 0.9 < sure < 0.99


def test_many_classes_and_few_rows_do_not_make_a_good_model_modest() -> None:
    truth = np.arange(150) % 10
    task = 6.0 * np.eye(10)[np.where(np.arange(150) < 4, truth + 1, truth) % 10]  # four mistakes, sure to 98 in 100
    assert temperature(task, truth, np.full(10, 0.1)) == pytest.approx(1.0, rel=0.15)


def test_the_conformal_quantile_is_mapies() -> None:
    mapie = pytest.importorskip("mapie.regression", reason="MAPIE is not installed")
    from sklearn.dummy import DummyRegressor

    generator = np.random.default_rng(0)
    y = generator.normal(size=57)
    model = DummyRegressor(strategy="constant", constant=0.0).fit(y[:, None], y)
    theirs = mapie.SplitConformalRegressor(model, confidence_level=0.9, prefit=True).conformalize(y[:, None], y)
    _, interval = theirs.predict_interval(np.zeros((1, 1)))
    assert conformal_quantile(np.abs(y), 0.9) == pytest.approx(float(interval[0, 1, 0]))


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_hold_the_truth_of_every_class_as_often_as_asked(coverage: float) -> None:
    case = learner.classes()
    contract = case.contract.model_copy(
        update={"label": case.contract.label.model_copy(update={"classes": ("a", "b", "c")})}
    )
    knobs = CalibrateParams(coverage=coverage)
    held = []
    for seed in range(40):
        task, truth = logits(400, seed=seed)
        fitted = fit(task[:200], truth[:200], 3, None, knobs)
        said = answers(contract, {}, task[200:], np.zeros((200, 1)), fitted)
        assert said.sets is not None
        inside = said.sets[np.arange(200), truth[200:]]
        held.append([inside[truth[200:] == each].mean() for each in range(3)])
    assert np.mean(held, axis=0) == pytest.approx(np.full(3, coverage), abs=0.025)


def test_intervals_hold_the_truth_as_often_as_asked() -> None:
    generator = np.random.default_rng(0)
    held = []
    for _ in range(60):
        truth = generator.normal(size=200)
        guess = truth + generator.standard_t(3, size=200)
        fitted = fit(guess[:100, None], truth[:100], 0, None, KNOBS)
        assert fitted.half_width is not None
        held.append((np.abs(guess[100:] - truth[100:]) <= fitted.half_width).mean())
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


def test_too_few_rows_for_a_coverage_leave_a_class_in_every_set_and_a_value_without_interval() -> None:
    task, truth = logits(200)
    few = np.concatenate([np.flatnonzero(truth == 0)[:5], np.flatnonzero(truth != 0)])
    fitted = fit(task[few], truth[few], 3, None, KNOBS)
    assert fitted.thresholds[0] == 1.0
    assert max(fitted.thresholds[1:]) < 1.0
    assert fit(np.zeros((5, 1)), np.arange(5.0), 0, None, KNOBS).half_width is None
    assert fit(None, truth, 3, None, KNOBS) == Calibration(rows=0, coverage=0.9)


def test_the_shares_of_classes_among_unlabelled_rows_are_found() -> None:
    generator = np.random.default_rng(1)
    shares = np.array([0.7, 0.2, 0.1])

    def rows(truth: np.ndarray) -> np.ndarray:
        return np.eye(3)[truth] * 2.5 + generator.normal(size=(len(truth), 3))  # exact logits would be 2.5 times these

    known = np.arange(600) % 3
    task, pool = 2.5 * rows(known), 2.5 * rows(generator.choice(3, 5000, p=shares))
    found = fit(task, known, 3, pool[None], KNOBS)
    for method in ("em", "bbse"):
        assert list(found.shares[method].values()) == pytest.approx(shares, abs=0.04), method


def test_a_prior_moves_the_answers_towards_the_classes_it_favours() -> None:
    task, truth = logits(500, classes=2)
    few = np.concatenate([np.flatnonzero(truth == 0), np.flatnonzero(truth == 1)[:30]])
    balanced, labelled = (
        fit(task[few], truth[few], 2, None, CalibrateParams(prior=prior)) for prior in ("balanced", "labelled")
    )
    means = [class_probabilities(task[few], each)[:, 1].mean() for each in (balanced, labelled)]
    assert means[1] < means[0]
    assert means[1] == pytest.approx((truth[few] == 1).mean(), abs=0.05)


def test_em_and_bbse_give_shares() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(4), 50)
    truth = shares.argmax(axis=1)
    for found in (em_shares(shares), bbse_shares(shares, truth, shares)):
        assert found.sum() == pytest.approx(1)
        assert (found >= 0).all()


def test_a_model_that_answered_no_pool_is_for_the_shares_that_another_found() -> None:
    task, truth = logits(500, classes=2)
    ours = class_shares(task, truth, 2, task[None, truth == 0])
    assert ours["em"][0] > 0.9
    blind = fit(np.zeros((500, 2)), truth, 2, None, CalibrateParams(prior="unlabelled"), ours)
    seeing = fit(task, truth, 2, task[None, truth == 0], CalibrateParams(prior="unlabelled"))
    assert blind.offsets == seeing.offsets
    assert blind.shares == seeing.shares
    assert beside(seeing).offsets == seeing.offsets


def test_of_rows_that_no_training_saw_no_more_than_asked_are_unlike_the_training_data() -> None:
    rng = np.random.default_rng(0)
    known, fresh, later = rng.beta(0.5, 50, 200), rng.beta(0.5, 2, 400), rng.beta(0.5, 2, 20_000)
    assert (later > np.quantile(known, 0.99)).mean() > 0.3  # what the training rows alone would flag
    limit = fake_limit(known, fresh, 0.01)
    assert (known > limit).mean() <= 0.01
    assert 0.002 < (later > limit).mean() < 0.02
    assert fake_limit(known, fresh[:20], 0.01) == fresh[:20].max()  # twenty rows cannot tell one in a hundred
    assert fake_limit(known, fresh[:0], 0.01) == fake_limit(known, known / 2, 0.01) == np.quantile(known, 0.99)
