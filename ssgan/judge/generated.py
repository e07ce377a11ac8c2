"""What the fakes are like: real and fake rows compared, column by column and two columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssgan.judge.metrics import Array, Floats
from ssgan.learn.encode import Encoder

BINS = 20
SHOWN_COLUMNS = 12  # the ones that differ most
SHOWN_FEATURES = 24
SHOWN_IMAGES = 48
SHOWN_WORDS = 6


@dataclass(frozen=True)
class Compared:
    """A column among real and among fake rows, as shares of the rows that have a value."""

    column: str
    distance: float  # 0 (the same) .. 1: Kolmogorov-Smirnov of numbers, total variation of words
    edges: tuple[float, ...]  # of the bins of numbers; none for words
    words: tuple[str, ...]
    real: tuple[float, ...]
    fake: tuple[float, ...]


@dataclass(frozen=True)
class Correlations:
    """Pearson correlations between encoded features that vary on both sides."""

    names: tuple[str, ...]  # of those that are shown
    real: Floats  # [f, f]
    fake: Floats
    apart: float  # mean absolute difference between real and fake, over all pairs of features
    chance: float  # the same between two halves of the real rows


def compare_columns(encoder: Encoder, real: Array, fake: Array) -> list[Compared]:
    """The columns that differ most, the worst first.

    Args:
        encoder: of a table.
        real: encoded rows, float32 [n, F].
        fake: the same [m, F].
    """
    ours, theirs = encoder.decode_columns(real), encoder.decode_columns(fake)
    numbers = {part.name for part in encoder.numbers}
    found = [
        (_numbers if part.name in numbers else _words)(part.name, ours[part.name], theirs[part.name])
        for part in encoder.parts
    ]
    kept = [each for each in found if each is not None]
    return sorted(kept, key=lambda each: -each.distance)[:SHOWN_COLUMNS]


def _numbers(name: str, real: Array, fake: Array) -> Compared | None:
    from scipy.stats import ks_2samp

    real, fake = real[np.isfinite(real)], fake[np.isfinite(fake)]
    if not len(real) or not len(fake) or real.min() == real.max():
        return None
    low, high = np.quantile(real, [0.005, 0.995]).tolist()
    edges = np.linspace(low, high, BINS + 1)
    if edges[0] == edges[-1]:
        edges = np.linspace(real.min(), real.max(), BINS + 1)
    real_shares, fake_shares = (
        np.histogram(np.clip(each, edges[0], edges[-1]), edges)[0] / len(each) for each in (real, fake)
    )
    distance = float(ks_2samp(real, fake, method="asymp").statistic)
    return Compared(name, distance, tuple(edges.tolist()), (), tuple(real_shares.tolist()), tuple(fake_shares.tolist()))


def _words(name: str, real: Array, fake: Array) -> Compared | None:
    sides = [[str(cell) for cell in each if cell is not None] for each in (real, fake)]
    if not all(sides):
        return None
    names, counts = np.unique(sides[0], return_counts=True)
    kept = names[np.argsort(-counts, kind="stable")][:SHOWN_WORDS].tolist()
    every = sorted({*sides[0], *sides[1]})
    shares = [{word: side.count(word) / len(side) for word in every} for side in sides]
    distance = sum(abs(shares[0][word] - shares[1][word]) for word in every) / 2
    real_shares, fake_shares = (tuple(each.get(word, 0.0) for word in kept) for each in shares)
    return Compared(name, distance, (), tuple(kept), real_shares, fake_shares)


def compare_correlations(encoder: Encoder, real: Array, fake: Array) -> Correlations | None:
    """How far fakes keep together what belongs together; None with fewer than two features that vary."""
    halves = real[::2], real[1::2]
    varies = np.all([each.std(axis=0) > 1e-6 for each in (*halves, fake)], axis=0)
    if varies.sum() < 2:
        return None
    ours, theirs, first, second = (_correlation(each[:, varies]) for each in (real, fake, *halves))
    change = np.abs(theirs - ours)
    chosen = np.sort(np.argsort(-change.sum(axis=0), kind="stable")[:SHOWN_FEATURES])
    names = np.asarray(encoder.feature_names)[varies][chosen]
    pair = np.triu_indices(len(ours), 1)
    return Correlations(
        tuple(names.tolist()),
        ours[np.ix_(chosen, chosen)],
        theirs[np.ix_(chosen, chosen)],
        float(change[pair].mean()),
        float(np.abs(first - second)[pair].mean()),
    )


def _correlation(x: Array) -> Floats:
    return np.asarray(np.corrcoef(x.astype(np.float64), rowvar=False))


def sample(rows: int, most: int, seed: int = 0) -> Sequence[int]:
    """Places of at most so many rows, by lot and in order."""
    chosen: Sequence[int] = np.sort(np.random.default_rng(seed).permutation(rows)[:most]).tolist()
    return chosen
