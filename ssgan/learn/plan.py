"""Which subsets of the labelled rows models are trained on beside the whole, and which rows they are asked then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ssgan.learn.prepare import UNLABELLED, is_labelled
from ssgan.records import Split


@dataclass(frozen=True)
class Subset:
    """Labelled rows to learn from, and rows to answer."""

    name: str  # for the lines of progress
    learned: np.ndarray  # bool [m], of the labelled rows in their order
    asked: np.ndarray  # encoded rows [a, ...]


@dataclass(frozen=True)
class Plan:
    """Subsets of the labelled rows: the folds, and for each share of the curve smaller ones."""

    folds: tuple[Subset, ...]  # every labelled row is asked by one of them
    whole: tuple[Subset, ...]  # between them they ask the rows that judge: the folds, or one subset of all labels
    curve: tuple[tuple[Subset, ...], ...]  # for each share, the whole with fewer labels
    places: tuple[np.ndarray, ...]  # of the rows that each subset of the whole asks, among those that judge

    @classmethod
    def of(
        cls, split: Split, x: np.ndarray, y: np.ndarray, fold: np.ndarray, judged: np.ndarray, shares: Iterable[float]
    ) -> Self:
        """The plan for what `prepare` left.

        Args:
            split: how models are judged.
            x: encoded training rows.
            y: their labels.
            fold: their folds, -1 for unlabelled rows.
            judged: encoded rows that judge.
            shares: of the labelled rows, each between 0 and 1.
        """
        known = is_labelled(y)
        x, labels, fold, count = x[known], y[known], fold[known], split.folds
        folds = tuple(Subset(f"fold {each + 1} of {count}", fold != each, x[fold == each]) for each in range(count))
        if split.method == "crossfit":
            bases, places = folds, tuple(np.flatnonzero(fold == each) for each in range(count))
        else:
            bases = (Subset("all", np.ones(len(labels), bool), judged),)
            places = (np.arange(len(judged)),)
        curve = tuple(
            tuple(
                Subset(f"{share:.0%} of the labels, {each.name}", nested(labels, each.learned, share), each.asked)
                for each in bases
            )
            for share in sorted(shares)
        )
        return cls(folds, bases, curve, places)


def nested(labels: np.ndarray, learned: np.ndarray, share: float) -> np.ndarray:
    """A share of the rows that `learned` [m] names, of each class alike; a smaller share lies within a larger one."""
    order = np.random.default_rng(0).permutation(len(labels))
    chosen = np.zeros(len(labels), bool)
    classes = np.issubdtype(labels.dtype, np.integer)
    for group in np.unique(labels[learned]) if classes else (None,):
        rows = [row for row in order if learned[row] and (group is None or labels[row] == group)]
        chosen[rows[: max(1, round(share * len(rows)))]] = True
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
