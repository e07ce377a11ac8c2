"""The vectorised bootstrap: equal to scikit-learn in a plain loop, seeded, paired, stratified."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics

from ssgan.config import EvaluateParams
from ssgan.judge.bootstrap import difference, draw, interval, mean_score, resample, score_entrant
from ssgan.judge.checks import calibration_error, error_by_chance, reliability, scores_at_shares
from ssgan.judge.metrics import ClassScorer, ValueScorer, gain

KNOBS = EvaluateParams(resamples=300)


def some_answers(rows: int, classes: int, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), generator.integers(classes, size=rows - classes)])
    logits = generator.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[truth]
    if ties:
        logits = logits.round()
    odds = np.exp(logits)
    return truth, odds / odds.sum(axis=1, keepdims=True)


def by_scikit_learn(truth: np.ndarray, answers: np.ndarray, everything: int) -> dict[str, float]:
    guess = answers.argmax(axis=1)
    auroc = (
        metrics.roc_auc_score(truth, answers[:, 1])
        if everything == 2
        else metrics.roc_auc_score(truth, answers, multi_class="ovr", average="macro")
    )
    return {
        "accuracy": metrics.accuracy_score(truth, guess),
        "balanced_accuracy": metrics.balanced_accuracy_score(truth, guess),
        "macro_f1": metrics.f1_score(truth, guess, average="macro"),
        "log_loss": metrics.log_loss(truth, answers, labels=list(range(everything))),
        "auroc": auroc,
        "brier": metrics.brier_score_loss(
            truth, answers, labels=list(range(everything)), scale_by_half=everything == 2
        ),
        "auprc": np.mean(
            [
                metrics.average_precision_score(truth == each, answers[:, each])
                for each in ([1] if everything == 2 else range(everything))
            ]
        ),
    }


@pytest.mark.parametrize(("rows", "classes", "ties"), [(40, 2, False), (60, 4, False), (60, 3, True)])
def test_resampled_class_metrics_equal_a_plain_loop_over_scikit_learn(rows, classes, ties):
    truth, answers = some_answers(rows, classes, seed=1, ties=ties)
    scorer = ClassScorer(truth, classes)
    clean = scorer.clean(answers)
    for counts in draw(truth, 20, seed=3):
        fast = scorer.resampled(clean, counts)
        for place, count in enumerate(counts.astype(int)):
            drawn = np.repeat(np.arange(rows), count)
            slow = by_scikit_learn(truth[drawn], clean[drawn], classes)
            assert {name: values[place] for name, values in fast.items()} == pytest.approx(slow, abs=1e-12)


def test_resampled_value_metrics_equal_a_plain_loop_over_scikit_learn():
    generator = np.random.default_rng(0)
    truth = generator.normal(100, 20, size=50)
    answers = truth + generator.normal(0, 10, size=50)
    scorer = ValueScorer(truth)
    for counts in draw(scorer.strata, 20, seed=3):
        fast = scorer.resampled(answers, counts)
        for place, count in enumerate(counts.astype(int)):
            drawn = np.repeat(np.arange(50), count)
            slow = {
                "rmse": metrics.root_mean_squared_error(truth[drawn], answers[drawn]),
                "mae": metrics.mean_absolute_error(truth[drawn], answers[drawn]),
                "r2": metrics.r2_score(truth[drawn], answers[drawn]),
            }
            assert {name: values[place] for name, values in fast.items()} == pytest.approx(slow, rel=1e-9)


def test_one_of_each_row_gives_the_score_itself():
    truth, answers = some_answers(50, 3, seed=2)
    scorer = ClassScorer(truth, 3)
    clean = scorer.clean(answers)
    whole = {name: values[0] for name, values in scorer.resampled(clean, np.ones((1, 50))).items()}
    assert whole == pytest.approx(scorer.score(clean), abs=1e-12)
    assert whole == pytest.approx(by_scikit_learn(truth, clean, 3), abs=1e-12)


def test_no_resample_loses_a_class():
    strata = np.array([0] * 50 + [1] * 2 + [2])
    for counts in draw(strata, 200, seed=0):
        for stratum, size in ((0, 50), (1, 2), (2, 1)):
            assert (counts[:, strata == stratum].sum(axis=1) == size).all()


def test_a_patient_whose_classes_nobody_else_has_is_not_in_every_resample():
    generator = np.random.default_rng(0)
    groups, strata = np.repeat(np.arange(60), 20), generator.integers(0, 30, size=1200)  # 60 sets of classes, all other
    counts = np.concatenate(list(draw(strata, 300, seed=0, groups=groups)))
    of_patient = counts[:, ::20]
    assert (counts.reshape(300, 60, 20) == of_patient[:, :, None]).all()  # whole
    assert 0.3 < (of_patient == 0).mean() < 0.4  # a free draw leaves out 1 / e
    for each in range(30):
        assert (counts[:, strata == each].sum(axis=1) > 0).all()


def test_no_resample_of_patients_loses_a_class_that_only_one_has():
    groups = np.repeat(np.arange(12), 5)
    strata = np.where(groups == 3, 1, 0)
    for counts in draw(strata, 200, seed=0, groups=groups):
        assert (counts[:, strata == 1].sum(axis=1) > 0).all()


def test_many_patients_with_the_same_classes_are_a_stratum_of_their_own():
    groups = np.repeat(np.arange(40), 3)
    strata = np.where(groups < 25, 0, 1)
    for counts in draw(strata, 200, seed=0, groups=groups):
        assert (counts[:, strata == 0].sum(axis=1) == 75).all()


def test_a_long_test_set_is_resampled_in_blocks_that_add_up():
    blocks = list(draw(np.zeros(1_500_000, dtype=np.int64), 3, seed=0))
    assert [block.shape[0] for block in blocks] == [1, 1, 1]
    assert all(block.sum() == 1_500_000 for block in blocks)


def test_intervals_are_equal_for_equal_seeds_and_cover_the_score():
    truth, answers = some_answers(120, 3, seed=5)
    scorer = ClassScorer(truth, 3)
    clean = {"ssgan": scorer.clean(answers)}
    values = scorer.score(clean["ssgan"])
    first, second = (score_entrant("ssgan", values, resample(scorer, clean, KNOBS)["ssgan"], 0.95) for _ in range(2))
    assert first == second
    for metric, score in first.metrics.items():
        assert score.low <= score.value <= score.high, metric
        assert score.low < score.high, metric
    other = resample(scorer, clean, KNOBS.model_copy(update={"seed": 1}))["ssgan"]["log_loss"]
    assert interval(other, 0.95) != (first.metrics["log_loss"].low, first.metrics["log_loss"].high)


def test_a_wider_confidence_gives_a_wider_interval():
    samples = np.random.default_rng(0).normal(size=1000)
    (low, high), (lower, higher) = interval(samples, 0.8), interval(samples, 0.95)
    assert lower < low < high < higher


def test_the_order_of_the_rows_changes_no_score():
    truth, answers = some_answers(80, 3, seed=6)
    order = np.random.default_rng(0).permutation(80)
    here, there = ClassScorer(truth, 3), ClassScorer(truth[order], 3)
    assert there.score(there.clean(answers[order])) == pytest.approx(here.score(here.clean(answers)), abs=1e-12)


def test_equal_models_differ_by_exactly_nothing():
    truth, answers = some_answers(60, 3, seed=7)
    scorer = ClassScorer(truth, 3)
    clean = {name: scorer.clean(answers) for name in ("ssgan", "twin")}
    samples = resample(scorer, clean, KNOBS)
    ours, theirs = (score_entrant(name, scorer.score(clean[name]), samples[name], 0.95) for name in clean)
    for metric in ours.metrics:
        found = difference(metric, ours, theirs, samples, 0.95)
        assert (found.value, found.low, found.high, found.win_probability) == (0.0, 0.0, 0.0, 0.5)


def test_a_paired_difference_is_surer_than_the_two_intervals():
    truth, answers = some_answers(100, 2, seed=8)
    scorer = ClassScorer(truth, 2)
    worse = answers.copy()
    hit = np.flatnonzero(answers.argmax(axis=1) == truth)[:6]
    worse[hit] = 1 - answers[hit]  # six more errors, on the same rows otherwise
    clean = {"ssgan": scorer.clean(answers), "twin": scorer.clean(worse)}
    samples = resample(scorer, clean, KNOBS)
    ours, theirs = (score_entrant(name, scorer.score(clean[name]), samples[name], 0.95) for name in clean)
    found = difference("balanced_accuracy", ours, theirs, samples, 0.95)
    assert found.low > 0
    assert found.win_probability > 0.95
    assert ours.metrics["balanced_accuracy"].low < theirs.metrics["balanced_accuracy"].high  # the intervals overlap


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("auroc", 1), ("r2", 1), ("rmse", -1), ("log_loss", -1)])
def test_a_gain_is_positive_when_we_are_better(metric, sign):
    assert gain(metric, 3.0, 2.0) == sign


@pytest.mark.parametrize("present", [[0, 2], [1]])
def test_a_class_absent_from_the_test_rows_neither_crashes_nor_warns(present):
    truth = np.array(present * 10)
    _, answers = some_answers(len(truth), 3, seed=9)
    scorer = ClassScorer(truth, 3)
    clean = {"ssgan": scorer.clean(answers)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = scorer.score(clean["ssgan"])
        samples = resample(scorer, clean, KNOBS)["ssgan"]
    assert ("auroc" in values) == (len(present) > 1)
    assert samples.keys() == values.keys()
    assert all(np.isfinite(each).all() for each in samples.values())


def test_a_single_test_row_of_a_regression_has_no_r2():
    scorer = ValueScorer(np.array([3.0]))
    assert scorer.score(scorer.clean(np.array([1.0]))) == {"rmse": 2.0, "mae": 2.0}


def test_r2_of_a_resample_without_spread_is_what_scikit_learn_says():
    scorer = ValueScorer(np.array([1.0, 2.0]))
    counts = np.array([[2.0, 0.0], [0.0, 2.0]])
    assert scorer.resampled(np.array([1.0, 5.0]), counts)["r2"].tolist() == [1.0, 0.0]


def test_scores_of_one_class_equal_scikit_learn_on_each_resample():
    truth, answers = some_answers(60, 3, seed=4, ties=True)
    scorer = ClassScorer(truth, 3)
    clean = scorer.clean(answers)
    for counts in draw(truth, 10, seed=3):
        fast = scorer.of_class(clean, 1, counts)
        for place, count in enumerate(counts.astype(int)):
            drawn = np.repeat(np.arange(60), count)
            positive = truth[drawn] == 1
            slow = {
                "recall": (clean[drawn].argmax(axis=1) == 1)[positive].mean(),
                "auroc": metrics.roc_auc_score(positive, clean[drawn][:, 1]),
                "auprc": metrics.average_precision_score(positive, clean[drawn][:, 1]),
            }
            assert {name: values[place] for name, values in fast.items()} == pytest.approx(slow, abs=1e-12)


def test_rows_of_a_group_are_drawn_together_and_no_resample_loses_a_class():
    strata = np.array([0, 0, 1, 1, 0, 0, 1, 2])
    groups = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
    for counts in draw(strata, 100, seed=0, groups=groups):
        for name in "abcd":
            assert (np.ptp(counts[:, groups == name], axis=1) == 0).all()
        for each in range(3):
            assert (counts[:, strata == each].sum(axis=1) > 0).all()


def test_groups_make_an_interval_wider_than_rows_that_stand_alone():
    groups = np.repeat(np.arange(12), 10).astype(str)
    hits = np.repeat(np.arange(12) % 2, 10)
    alone = mean_score(hits, np.zeros(120, int), KNOBS)
    together = mean_score(hits, np.zeros(120, int), KNOBS, groups)
    assert together.value == alone.value == 0.5
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_guess_that_is_as_often_right_as_sure_has_no_calibration_error_in_whatever_order_rows_come():
    truth, guess = np.repeat([0, 1], [60, 40]), np.tile([0.6, 0.4], (100, 1))
    for order in (np.arange(100), np.random.default_rng(0).permutation(100)):
        assert calibration_error(truth[order], guess) == pytest.approx(0)


def test_rows_that_a_model_is_equally_sure_of_are_in_one_bin_and_others_in_bins_of_equally_many():
    generator = np.random.default_rng(0)
    fifths = generator.integers(3, 6, 80) / 5
    counts = np.unique(fifths, return_counts=True)[1].tolist()
    assert [each.rows for each in reliability(np.zeros(80, int), np.column_stack([fifths, 1 - fifths]))] == counts
    smooth = generator.uniform(0.5, 1, 80)
    assert [each.rows for each in reliability(np.zeros(80, int), np.column_stack([smooth, 1 - smooth]))] == [10] * 8


@pytest.mark.parametrize("rows", [40, 400])
def test_probabilities_that_are_exactly_right_have_the_calibration_error_that_is_told_of_chance(rows):
    generator, found, told = np.random.default_rng(0), [], []
    for _ in range(200):
        sure = generator.uniform(0.5, 1, rows)
        wrong, said = (generator.uniform(size=rows) > sure).astype(int), np.column_stack([sure, 1 - sure])
        found.append(calibration_error(wrong, said))
        told.append(error_by_chance(reliability(wrong, said)))
    assert np.mean(told) == pytest.approx(np.mean(found), rel=0.1)


def test_scores_at_other_shares_of_classes_are_those_of_rows_that_have_them():
    truth, answers = some_answers(60, 3, seed=2)
    many = np.concatenate([np.repeat(np.flatnonzero(truth == each), times) for each, times in ((0, 5), (1, 1), (2, 2))])
    expected = by_scikit_learn(truth[many], answers[many], 3)
    scorer, shares = ClassScorer(truth, 3), np.bincount(truth[many]) / len(many)
    for name, value in scores_at_shares(scorer, scorer.clean(answers), truth, shares).items():
        assert value == pytest.approx(expected[name]), name
    some = truth != 1
    assert scores_at_shares(scorer.part(some), scorer.clean(answers[some]), truth[some], shares) == {}
