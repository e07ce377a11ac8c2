"""Which subsets of the labelled rows models are trained on beside the whole, and which rows they are asked then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ssgan.learn.prepare import UNLABELLED, is_labelled
from ssgan.records import Split

CURVE_OF_TABLES, CURVE_OF_IMAGES = (0.25, 0.5), (0.25,)  # shares of the labels where the knob is null
LEAST_OF_CLASS, LEAST_VALUES = 2, 10  # labels of such a point; from fewer nothing is learned
HALF = 0.5  # up to this share two models make a point: each learns from half of the folds and is asked the other half


@dataclass(frozen=True)
class Subset:
    """Labelled rows to learn from, and rows to answer."""

    name: str  # for the lines of progress
    learned: np.ndarray  # bool [m], of the labelled rows in their order
    asked: np.ndarray  # encoded rows [a, ...]
    places: np.ndarray  # int [a], of the asked rows: among the labelled ones, or under a holdout among those that judge


@dataclass(frozen=True)
class Plan:
    """Subsets of the labelled rows: the folds, and for each share of the curve smaller ones."""

    folds: tuple[Subset, ...]  # every labelled row is asked by one of them
    whole: tuple[Subset, ...]  # between them they ask the rows that judge: the folds, or one subset of all labels
    curve: tuple[tuple[Subset, ...], ...]  # for each share, subsets that ask those rows and know fewer labels

    @classmethod
    def of(
        cls,
        split: Split,
        x: np.ndarray,
        y: np.ndarray,
        fold: np.ndarray,
        judged: np.ndarray,
        shares: Iterable[float] | None,
    ) -> Self:
        """The plan for what `prepare` left.

        Args:
            split: how models are judged.
            x: encoded training rows.
            y: their labels.
            fold: their folds, -1 for unlabelled rows.
            judged: encoded rows that judge.
            shares: of the labels that a model of the whole knows, each between 0 and 1; None: the task's own, as far
                as there are labels for them.
        """
        known = is_labelled(y)
        x, labels, fold, count = x[known], y[known], fold[known], split.folds
        folds = tuple(_asking(f"fold {each + 1} of {count}", x, fold == each) for each in range(count))
        whole: tuple[Subset, ...] = (Subset("all", np.ones(len(labels), bool), judged, np.arange(len(judged))),)
        halves, kept = whole, 1.0  # of the labels, what each model of the whole knows
        if split.method == "crossfit":
            whole, halves, kept = folds, _halves(x, fold, count), 1 - 1 / count
        if shares is None:
            shares = _affordable(labels, kept, CURVE_OF_TABLES if x.ndim == 2 else CURVE_OF_IMAGES)
        curve = tuple(
            tuple(_with_fewer(each, labels, share, kept, halves) for each in (halves if share <= HALF else whole))
            for share in sorted(shares)
        )
        return cls(folds, whole, curve)


def _asking(name: str, x: np.ndarray, asked: np.ndarray) -> Subset:
    """A subset of all labelled rows but those that it is asked, bool [m]."""
    return Subset(name, ~asked, x[asked], np.flatnonzero(asked))


def _halves(x: np.ndarray, fold: np.ndarray, count: int) -> tuple[Subset, ...]:
    """Each half of the folds learns, and is asked the other."""
    second = fold >= count / 2
    return _asking("first half", x, second), _asking("second half", x, ~second)


def _affordable(labels: np.ndarray, kept: float, shares: Sequence[float]) -> list[float]:
    """The shares that leave enough labels: of the rarest class, or of the values."""
    classes = np.issubdtype(labels.dtype, np.integer)
    rows = np.unique(labels, return_counts=True)[1].min() if classes else len(labels)
    return [share for share in shares if share * kept * rows >= (LEAST_OF_CLASS if classes else LEAST_VALUES)]


def _with_fewer(subset: Subset, labels: np.ndarray, share: float, kept: float, halves: Sequence[Subset]) -> Subset:
    """The subset with a share of its labels; those of the half that answers the same rows come first."""
    half = next(each for each in halves if np.isin(subset.places, each.places).all())
    learned = nested(labels, (half.learned & subset.learned, subset.learned & ~half.learned), share * kept)
    return replace(subset, name=f"{share:.0%} of the labels, {subset.name}", learned=learned)


def nested(labels: np.ndarray, pools: Sequence[np.ndarray], share: float) -> np.ndarray:
    """A share of all labelled rows, of each class alike; a smaller share lies within a larger one.

    `pools`: bool `[m]` each; rows are taken from the first, and from the next where that is not enough.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    order = np.concatenate([order[pool[order]] for pool in pools])
    chosen = np.zeros(len(labels), bool)
    classes = np.issubdtype(labels.dtype, np.integer)
    for group in np.unique(labels) if classes else (None,):
        rows = order if group is None else order[labels[order] == group]
        all_rows = len(labels) if group is None else int((labels == group).sum())
        chosen[rows[: max(1, round(share * all_rows))]] = True
    return chosen


def hidden(y: np.ndarray, learned: np.ndarray) -> np.ndarray:
    """The labels without those of the labelled rows that `learned` [m] leaves out."""
    seen = y.copy()
    seen[np.flatnonzero(is_labelled(y))[~learned]] = UNLABELLED if np.issubdtype(y.dtype, np.integer) else np.nan
    return seen


def scattered(parts: Sequence[np.ndarray], places: Sequence[np.ndarray]) -> np.ndarray:
    """Parts [a_i, ...] as one array with each at its places."""
    whole = np.concatenate(list(parts))
    found = np.empty_like(whole)
    found[np.concatenate(list(places))] = whole
    return found
