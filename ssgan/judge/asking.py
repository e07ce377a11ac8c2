"""Which unlabelled rows to ask a person about: those that stand for many that the model is unsure about.

A row's expected gain is by how much it brings unsure rows nearer to a labelled one, in the space of the
discriminator's features: a core-set by facility location (Wei, Iyer and Bilmes 2015), weighted by uncertainty and
taken greedily, so that no two requests say the same. The farthest rows (the k-centre core-set of Sener and Savarese
2018) are mostly outliers, and with few labels so are the most uncertain ones. Rows that look fake are held back: the
label of a row that is broken, or of another kind, teaches nothing. Classes with few labels have requests of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ssgan.judge.metrics import Array, Floats

HELD_BACK = 0.05  # share of the pool with the lowest P(real) that is not asked
REFERENCES = 1000  # rows of the pool, by lot, that the gain is summed over
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
        stands: [n] share of the pool that had no labelled or earlier asked row nearer than this one.
        starved: [n] number of the class whose quota asked for it, or -1.
        disagreement: [n] share of the pool that the models agree more about; NaN if there are none.
    """

    rows: Array
    uncertainty: Floats
    diversity: Floats
    stands: Floats
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
    unsure = uncertainty(pool)
    cover, free = _Cover(pool.features, pool.labelled, doubt(pool)), may_be_asked(pool)
    count = min(count, int(free.sum()))
    rows: list[int] = []
    far: list[float] = []
    stands: list[float] = []
    kinds: list[int] = []

    def ask(worth: Array, kind: int) -> None:
        row = int(np.argmax(np.where(free, worth, -np.inf)))
        rows.append(row)
        far.append(cover.distance(row))
        stands.append(cover.share(row))
        kinds.append(kind)
        free[row] = False
        cover.add(row)

    if pool.probabilities is not None:
        for kind, wanted in quotas(labels, least, count).items():
            for _ in range(wanted):
                ask(pool.probabilities[:, kind], kind)
    while len(rows) < count:
        ask(cover.gains(), -1)
    chosen = np.asarray(rows, np.int64)
    split = np.full(len(unsure), np.nan) if pool.disagreement is None else ranks(pool.disagreement)
    return Choice(
        chosen, unsure[chosen], np.asarray(far), np.asarray(stands), np.asarray(kinds, np.int64), split[chosen]
    )


def uncertainty(pool: Pool) -> Floats:
    """[p], 0..1: the mean rank by margin, entropy and disagreement, as far as they are there; 1 where none is."""
    signs: list[Floats] = []
    if pool.probabilities is not None:
        signs += [1 - margin(pool.probabilities), entropy(pool.probabilities)]
    if pool.disagreement is not None:
        signs.append(pool.disagreement)
    return ranks(np.mean([ranks(each) for each in signs], axis=0)) if signs else np.ones(len(pool.real))


def doubt(pool: Pool) -> Floats:
    """[p], what each row weighs in the gain: entropy, and what models disagree about once more; 1 where neither is."""
    found = np.zeros(len(pool.real))
    if pool.probabilities is not None:
        found += entropy(pool.probabilities)
    if pool.disagreement is not None:
        found += pool.disagreement
    return found if found.any() else np.ones(len(found))


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


class _Cover:
    """How near the pool is to rows that are labelled or asked, and how much nearer each row would bring it."""

    def __init__(self, features: Array, labelled: Array, weight: Floats) -> None:
        """Args: features [p, H] of the pool, [l, H] of the labelled rows; weight [p] of each row of the pool."""
        from sklearn.metrics import pairwise_distances, pairwise_distances_argmin_min

        pool, known = (np.asarray(each, np.float32).reshape(len(each), -1) for each in (features, labelled))
        if not len(known):
            known = pool.mean(axis=0, keepdims=True)
        chosen = np.sort(np.random.default_rng(0).permutation(len(pool))[:REFERENCES])
        self._pool, self._weight = pool, weight[chosen].astype(np.float32)
        self._apart = np.asarray(pairwise_distances(pool[chosen], pool), np.float32)  # [references, p]
        self._nearest = np.asarray(pairwise_distances_argmin_min(pool, known)[1], np.float32)  # [p]
        self._uncovered = self._nearest[chosen]  # [references]
        self._unit = float(np.median(self._nearest)) or 1.0
        self._gains = self._nearer(np.arange(len(chosen)))

    def gains(self) -> Floats:
        """Of asking each row [p]."""
        return self._gains

    def _nearer(self, references: Array) -> Floats:
        """By how much each row [p] would bring these references nearer, weighted."""
        nearer = np.maximum(self._uncovered[references, None] - self._apart[references], 0.0)
        return np.asarray(self._weight[references] @ nearer, np.float64)

    def distance(self, row: int) -> float:
        """From the nearest labelled or asked row; 1 is what was usual before anything was asked."""
        return float(self._nearest[row]) / self._unit

    def share(self, row: int) -> float:
        """Of the pool that the row would be the nearest one to."""
        return float((self._apart[:, row] < self._uncovered).mean())

    def add(self, row: int) -> None:
        """Counts a row as asked."""
        from sklearn.metrics import pairwise_distances

        closer = np.flatnonzero(self._apart[:, row] < self._uncovered)  # the others gain what they did
        self._gains -= self._nearer(closer)
        self._uncovered[closer] = self._apart[closer, row]
        self._gains += self._nearer(closer)
        found = pairwise_distances(self._pool, self._pool[row : row + 1])[:, 0]
        np.minimum(self._nearest, found, out=self._nearest)
