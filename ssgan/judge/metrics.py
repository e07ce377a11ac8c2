"""Scores of a model on the labelled test rows: one number each, and the same number on many resamples at once.

The numbers are scikit-learn's. The resampled forms compute the same from counts (how often each row was drawn), because
calling scikit-learn a thousand times per model would take minutes; a test holds the two equal.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LOWER_IS_BETTER = frozenset({"log_loss", "rmse", "mae"})


class Scorer(Protocol):
    """Scores answers to one fixed set of rows; one kind per task."""

    strata: Array  # int64 [m]: a resample draws as many rows of each stratum as there are

    def clean(self, answers: Array) -> Floats:
        """The answers in the form that the other two take."""

    def score(self, answers: Floats) -> dict[str, float]:
        """scikit-learn's metrics; one that cannot be computed on these rows is left out."""

    def resampled(self, answers: Floats, counts: Floats) -> dict[str, Floats]:
        """The same metrics for each row of `counts` `[b, m]`, the times that each test row was drawn."""


class ClassScorer:
    """Scores probabilities `[m, K]` against class numbers `[m]`.

    A class that no test row has is left out of every mean over classes.
    """

    def __init__(self, truth: Array, classes: int) -> None:
        self.strata = truth
        self._classes = classes
        self._present = np.unique(truth)
        two = classes == 2 and len(self._present) == 2
        self._ranked = (self._present[1:] if two else self._present) if len(self._present) > 1 else self._present[:0]

    def clean(self, answers: Array) -> Floats:
        """Probabilities as float64 whose rows sum to one."""
        positive = np.clip(np.asarray(answers, dtype=np.float64), 0.0, None)
        return np.asarray(positive / positive.sum(axis=1, keepdims=True), dtype=np.float64)

    def score(self, answers: Floats) -> dict[str, float]:
        """Accuracy, balanced accuracy, macro F1, log loss (nats) and macro one-versus-rest AUROC."""
        from sklearn import metrics

        guess, present = answers.argmax(axis=1), self._present
        scores = {
            "accuracy": metrics.accuracy_score(self.strata, guess),
            # balanced_accuracy_score is this, but warns about guesses of classes that no test row has
            "balanced_accuracy": metrics.recall_score(
                self.strata, guess, labels=present, average="macro", zero_division=0
            ),
            "macro_f1": metrics.f1_score(self.strata, guess, labels=present, average="macro", zero_division=0),
            "log_loss": metrics.log_loss(self.strata, answers, labels=list(range(self._classes))),
        }
        if len(self._ranked):
            each = [metrics.roc_auc_score(self.strata == k, answers[:, k]) for k in self._ranked]
            scores["auroc"] = np.mean(each)
        return {name: float(value) for name, value in scores.items()}

    def resampled(self, answers: Floats, counts: Floats) -> dict[str, Floats]:
        """See `Scorer`; every class of the test rows must be in every resample."""
        guess, rows = answers.argmax(axis=1), counts.sum(axis=1)
        is_class = np.equal.outer(self.strata, self._present).astype(np.float64)
        is_guess = np.equal.outer(guess, self._present).astype(np.float64)
        hits, true, guessed = counts @ (is_class * is_guess), counts @ is_class, counts @ is_guess
        tiny = np.finfo(np.float64).eps
        own = np.clip(answers[np.arange(len(guess)), self.strata], tiny, 1 - tiny)  # as scikit-learn clips
        scores = {
            "accuracy": counts @ (guess == self.strata).astype(np.float64) / rows,
            "balanced_accuracy": (hits / true).mean(axis=1),
            "macro_f1": (2 * hits / (true + guessed)).mean(axis=1),
            "log_loss": counts @ -np.log(own) / rows,
        }
        if len(self._ranked):
            each = [resampled_auroc(self.strata == k, answers[:, k], counts) for k in self._ranked]
            scores["auroc"] = np.mean(each, axis=0)
        return scores


class ValueScorer:
    """Scores values `[m]` against true values `[m]`."""

    def __init__(self, truth: Array) -> None:
        self.strata = np.zeros(len(truth), dtype=np.int64)
        self._truth = truth

    def clean(self, answers: Array) -> Floats:
        """Values as float64."""
        return np.asarray(answers, dtype=np.float64)

    def score(self, answers: Floats) -> dict[str, float]:
        """RMSE and MAE in the label's unit, and R2 where there are two rows or more."""
        from sklearn import metrics

        scores = {
            "rmse": metrics.root_mean_squared_error(self._truth, answers),
            "mae": metrics.mean_absolute_error(self._truth, answers),
        }
        if len(answers) > 1:
            scores["r2"] = metrics.r2_score(self._truth, answers)
        return {name: float(value) for name, value in scores.items()}

    def resampled(self, answers: Floats, counts: Floats) -> dict[str, Floats]:
        """See `Scorer`. R2 of a resample whose true values are all equal is 1 or 0, as scikit-learn has it."""
        error, rows = answers - self._truth, counts.sum(axis=1)
        squared = counts @ error**2
        scores = {"rmse": np.sqrt(squared / rows), "mae": counts @ np.abs(error) / rows}
        if len(answers) > 1:
            centred = self._truth - self._truth.mean()
            total = counts @ centred**2 - (counts @ centred) ** 2 / rows
            flat = total <= 1e-12 * np.square(centred).sum()
            r2 = 1 - squared / np.where(flat, 1.0, total)
            scores["r2"] = np.where(flat, (squared == 0).astype(np.float64), r2)
        return scores


def resampled_auroc(positive: Array, score: Floats, counts: Floats) -> Floats:
    """Area under the ROC curve per resample: the share of (positive, negative) pairs in the right order, ties half.

    Args:
        positive: bool `[m]`.
        score: `[m]`.
        counts: `[b, m]`; every resample has a positive and a negative row.
    """
    by_row = np.ascontiguousarray(counts.T)  # rows first: gathering then copies whole lines, five times faster
    order = np.flatnonzero(~positive)
    order = order[np.argsort(score[order], kind="stable")]
    below = np.zeros((len(order) + 1, len(counts)))
    np.cumsum(by_row[order], axis=0, out=below[1:])
    left = np.searchsorted(score[order], score[positive], side="left")
    right = np.searchsorted(score[order], score[positive], side="right")
    drawn = by_row[positive]
    won = np.einsum("ij,ij->j", drawn, below[left]) + np.einsum("ij,ij->j", drawn, below[right])
    return np.asarray(won / (2 * drawn.sum(axis=0) * below[-1]), dtype=np.float64)


def higher_is_better(metric: str) -> bool:
    """Whether a larger number is a better model."""
    return metric not in LOWER_IS_BETTER


def gain(metric: str, ours: Any, theirs: Any) -> Any:
    """How much better we are than they, in the metric's unit: positive is better, whichever way the metric runs."""
    return ours - theirs if higher_is_better(metric) else theirs - ours
