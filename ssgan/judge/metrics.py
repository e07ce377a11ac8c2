"""Scores of a model on the judged rows: one number each, and the same number on many resamples at once.

The numbers are scikit-learn's. The resampled forms compute the same from counts (how often each row was drawn), because
calling scikit-learn a thousand times per model would take minutes; a test holds the two equal.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LOWER_IS_BETTER = frozenset({"log_loss", "brier", "rmse", "mae"})


class Scorer(Protocol):
    """Scores answers to one fixed set of rows; one kind per task."""

    strata: Array  # int64 [m]: a resample draws as many rows of each stratum as there are

    def clean(self, answers: Array) -> Floats:
        """The answers in the form that the other two take."""

    def score(self, answers: Floats) -> dict[str, float]:
        """scikit-learn's metrics; one that cannot be computed on these rows is left out."""

    def resampled(self, answers: Floats, counts: Floats, ranking: bool = True) -> dict[str, Floats]:
        """The same metrics for each row of `counts` `[b, m]`, the times that each judged row was drawn.

        Without `ranking` those are left out that need rows in order, and nearly all of the time.
        """

    def part(self, rows: Array) -> Scorer:
        """A scorer of some of the rows, bool `[m]`."""


class ClassScorer:
    """Scores probabilities `[m, K]` against class numbers `[m]`.

    A class that no test row has is left out of every mean over classes.
    """

    def __init__(self, truth: Array, classes: int) -> None:
        self.strata = truth
        self.classes = classes
        self._present = np.unique(truth)
        two = classes == 2 and len(self._present) == 2
        self._ranked = (self._present[1:] if two else self._present) if len(self._present) > 1 else self._present[:0]

    def clean(self, answers: Array) -> Floats:
        """Probabilities as float64 whose rows sum to one."""
        positive = np.clip(np.asarray(answers, dtype=np.float64), 0.0, None)
        return np.asarray(positive / positive.sum(axis=1, keepdims=True), dtype=np.float64)

    def score(self, answers: Floats) -> dict[str, float]:
        """Accuracy, balanced accuracy, macro F1, log loss (nats), Brier score, mean one-versus-rest AUROC and AUPRC."""
        from sklearn import metrics

        guess, present = answers.argmax(axis=1), self._present
        scores = {
            "accuracy": metrics.accuracy_score(self.strata, guess),
            # balanced_accuracy_score is this, but warns about guesses of classes that no test row has
            "balanced_accuracy": metrics.recall_score(
                self.strata, guess, labels=present, average="macro", zero_division=0
            ),
            "macro_f1": metrics.f1_score(self.strata, guess, labels=present, average="macro", zero_division=0),
            "log_loss": metrics.log_loss(self.strata, answers, labels=list(range(self.classes))),
            "brier": metrics.brier_score_loss(
                self.strata, answers, labels=list(range(self.classes)), scale_by_half=self.classes == 2
            ),
        }
        if len(self._ranked):
            scores["auroc"] = np.mean([metrics.roc_auc_score(self.strata == k, answers[:, k]) for k in self._ranked])
            scores["auprc"] = np.mean(
                [metrics.average_precision_score(self.strata == k, answers[:, k]) for k in self._ranked]
            )
        return {name: float(value) for name, value in scores.items()}

    def resampled(self, answers: Floats, counts: Floats, ranking: bool = True) -> dict[str, Floats]:
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
            "brier": counts @ self._brier(answers) / rows,
        }
        if len(self._ranked) and ranking:
            ranked = [(self.strata == k, answers[:, k]) for k in self._ranked]
            scores["auroc"] = np.mean([resampled_auroc(*each, counts) for each in ranked], axis=0)
            scores["auprc"] = np.mean([resampled_auprc(*each, counts) for each in ranked], axis=0)
        return scores

    def of_class(self, answers: Floats, number: int, counts: Floats) -> dict[str, Floats]:
        """Recall, AUROC and AUPRC of one class against the rest on each resample; {} where it has no row, or all."""
        positive = self.strata == number
        if not 0 < positive.sum() < len(positive):
            return {}
        hit = (answers.argmax(axis=1) == number) & positive
        return {
            "recall": counts @ hit.astype(np.float64) / (counts @ positive.astype(np.float64)),
            "auroc": resampled_auroc(positive, answers[:, number], counts),
            "auprc": resampled_auprc(positive, answers[:, number], counts),
        }

    def part(self, rows: Array) -> ClassScorer:
        """A scorer of some of the rows, bool `[m]`."""
        return ClassScorer(self.strata[rows], self.classes)

    def _brier(self, answers: Floats) -> Floats:
        """Squared distance of each row's answer from the truth, halved for two classes as scikit-learn has it."""
        apart = answers.copy()
        apart[np.arange(len(apart)), self.strata] -= 1
        return np.asarray(np.square(apart).sum(axis=1) / (2 if self.classes == 2 else 1), np.float64)


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

    def resampled(self, answers: Floats, counts: Floats, ranking: bool = True) -> dict[str, Floats]:  # noqa: ARG002
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

    def part(self, rows: Array) -> ValueScorer:
        """A scorer of some of the rows, bool `[m]`."""
        return ValueScorer(self._truth[rows])


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


def resampled_auprc(positive: Array, score: Floats, counts: Floats) -> Floats:
    """Average precision per resample, as `sklearn.metrics.average_precision_score` with the counts as weights.

    Args:
        positive: bool `[m]`.
        score: `[m]`.
        counts: `[b, m]`; every resample has a positive row.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # rows of equal score come in together
    by_row = np.ascontiguousarray(counts.T[order])
    hits = np.cumsum(by_row * positive[order][:, None], axis=0)[ends]
    seen = np.cumsum(by_row, axis=0)[ends]
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    gained = np.diff(hits, axis=0, prepend=0.0)
    return np.asarray((gained * precision).sum(axis=0) / hits[-1], dtype=np.float64)


def higher_is_better(metric: str) -> bool:
    """Whether a larger number is a better model."""
    return metric not in LOWER_IS_BETTER


def gain(metric: str, ours: Any, theirs: Any) -> Any:
    """How much better we are than they, in the metric's unit: positive is better, whichever way the metric runs."""
    return ours - theirs if higher_is_better(metric) else theirs - ours
