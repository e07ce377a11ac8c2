"""Which unlabelled rows to ask a person about: unsure ones, unlike one another, and no strangers.

A row's expected gain is its uncertainty times its distance from what is labelled or asked already, taken greedily: the
core-set of Sener and Savarese (2018), weighted. Rows that look fake are held back, for a label of a row that is broken
or of another kind teaches nothing; classes with few labels have a share of the requests of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ssgan.judge.metrics import Array, Floats

HELD_BACK = 0.05  # share of the pool with the lowest P(real) that is not asked
UNSURE = 0.5  # share of the pool, by uncertainty, that is worth asking
STARVED = 0.5  # of the mean count over classes: a class with fewer labels is starved
QUOTA = 0.5  # of all requests, at most, for starved classes


@dataclass(frozen=True)
class Pool:
    """What the model thinks of p unlabelled rows.

    Attributes:
        probabilities: float64 [p, K]; None for values.
        disagreement: [p], between models that learned from different labels; None if there are none.
        features: [p, H], where near means alike to the model.
        labelled: [l, H], the same of the labelled rows.
        real: P(real) [p].
        unlike: bool [p], unlike the training data.
    """

    probabilities: Floats | None
    disagreement: Floats | None
    features: Array
    labelled: Array
    real: Floats
    unlike: Array


@dataclass(frozen=True)
class Choice:
    """The rows to ask, the most wanted first.

    Attributes:
        rows: int64 [n], places in the pool.
        uncertainty: [n] share of the pool that the model is surer about, 0..1.
        diversity: [n] distance from the nearest labelled or earlier asked row; 1 is the usual distance in the pool.
        starved: [n] number of the class whose quota asked for it, or -1.
        disagreement: [n] share of the pool that the models agree more about; NaN if there are none.
    """

    rows: Array
    uncertainty: Floats
    diversity: Floats
    starved: Array
    disagreement: Floats


def choose(pool: Pool, count: int, labels: Sequence[int] = (), least: int = 0) -> Choice:
    """Chooses rows.

    Args:
        pool: at least one row.
        count: how many; fewer if the pool has fewer that may be asked.
        labels: labelled rows of each class.
        least: labelled rows that every class should have.
    """
    unsure, apart = uncertainty(pool), _Distances(pool.features, pool.labelled)
    free = may_be_asked(pool)
    rows: list[int] = []
    far: list[float] = []
    starved: list[int] = []

    def ask(row: int, kind: int) -> None:
        rows.append(row)
        far.append(apart.of(row))
        starved.append(kind)
        free[row] = False
        apart.add(row)

    if pool.probabilities is not None:
        for kind, wanted in quotas(labels, least, count).items():
            for _ in range(min(wanted, int(free.sum()))):
                ask(int(np.argmax(np.where(free, pool.probabilities[:, kind], -1.0))), kind)
    worth = free & (unsure >= 1 - max(UNSURE, min(1.0, 4 * count / len(unsure))))
    while len(rows) < count and free.any():
        open_rows = worth & free if (worth & free).any() else free
        gain = np.where(open_rows, (unsure + 1e-9) * (apart.nearest + 1e-9), -1.0)
        ask(int(np.argmax(gain)), -1)
    chosen = np.asarray(rows, np.int64)
    split = np.full(len(unsure), np.nan) if pool.disagreement is None else ranks(pool.disagreement)
    return Choice(chosen, unsure[chosen], np.asarray(far), np.asarray(starved, np.int64), split[chosen])


def uncertainty(pool: Pool) -> Floats:
    """[p], 0..1: the mean rank by margin, entropy and disagreement, as far as they are there; 1 where none is."""
    signs: list[Floats] = []
    if pool.probabilities is not None:
        signs += [1 - margin(pool.probabilities), entropy(pool.probabilities)]
    if pool.disagreement is not None:
        signs.append(pool.disagreement)
    return ranks(np.mean([ranks(each) for each in signs], axis=0)) if signs else np.ones(len(pool.real))


def margin(probabilities: Floats) -> Floats:
    """How far the first class is ahead of the second [p]."""
    two = np.sort(probabilities, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def entropy(probabilities: Floats) -> Floats:
    """In nats [...], over the last axis."""
    from scipy.special import entr

    return np.asarray(entr(probabilities).sum(axis=-1))


def disagreement(members: Floats) -> Floats:
    """Between models: mutual information for probabilities [k, p, K], standard deviation for values [k, p] -> [p]."""
    if members.ndim == 2:
        return np.asarray(members.std(axis=0))
    return np.asarray(np.maximum(entropy(members.mean(axis=0)) - entropy(members).mean(axis=0), 0.0))


def ranks(values: Floats) -> Floats:
    """Mean ranks as shares, above 0 and at most 1."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values) / max(len(values), 1))


def may_be_asked(pool: Pool) -> Array:
    """bool [p]: not held back; if all would be, none is."""
    held = pool.unlike | (ranks(pool.real) <= HELD_BACK)
    return ~held if not held.all() else np.ones(len(held), bool)


def quotas(labels: Sequence[int], least: int, count: int) -> Mapping[int, int]:
    """Class -> requests of its own: what it lacks to half the mean of all classes, or to what the contract wants."""
    if not len(labels):
        return {}
    goal = max(least, int(np.ceil(STARVED * np.mean(labels))))
    lacks = {kind: goal - have for kind, have in enumerate(labels) if have < goal}
    room, total = int(QUOTA * count), sum(lacks.values())
    if total > room:
        lacks = {kind: lack * room // total for kind, lack in lacks.items()}
    return {kind: lack for kind, lack in lacks.items() if lack}


class _Distances:
    """Of each row of the pool from the nearest row that is labelled or asked, in units of what is usual."""

    def __init__(self, features: Array, labelled: Array) -> None:
        from sklearn.metrics import pairwise_distances_argmin_min

        self._features = np.asarray(features, np.float64).reshape(len(features), -1)
        known = np.asarray(labelled, np.float64).reshape(len(labelled), -1)
        if not len(known):
            known = self._features.mean(axis=0, keepdims=True)
        nearest = pairwise_distances_argmin_min(self._features, known)[1]
        self._unit = float(np.median(nearest)) or 1.0
        self.nearest = nearest / self._unit

    def of(self, row: int) -> float:
        return float(self.nearest[row])

    def add(self, row: int) -> None:
        from sklearn.metrics import pairwise_distances

        found = pairwise_distances(self._features, self._features[row : row + 1])[:, 0]
        self.nearest = np.minimum(self.nearest, found / self._unit)
