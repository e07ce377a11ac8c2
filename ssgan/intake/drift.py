"""How far a column lies from the accepted data, and how far chance alone may carry it.

Numbers: the Kolmogorov-Smirnov distance, the largest gap between two cumulative shares. Words: the total variation
distance, half the sum of the gaps between the shares. Both run from 0 (the same) to 1 (nothing in common).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

POINTS = 2000  # of a stored distribution: a distance to it is exact to within 1/2000
CHANCE = 0.001  # how often two samples of one distribution may lie beyond the limit that chance gets


@dataclass(frozen=True)
class NumberSummary:
    """The cumulative share of the rows at each of at most `POINTS` values, in ascending order."""

    points: tuple[float, ...]
    cumulative: tuple[float, ...]
    rows: int


@dataclass(frozen=True)
class WordSummary:
    """The share of the rows that each word has."""

    shares: dict[str, float]
    rows: int


Summary = NumberSummary | WordSummary


def summarise_numbers(values: Floats) -> NumberSummary:
    """Summarises numbers; NaN (missing) does not count."""
    ordered = np.sort(values[~np.isnan(values)])
    points = np.unique(ordered)
    if len(points) > POINTS:
        points = np.unique(ordered[np.linspace(0, len(ordered) - 1, POINTS).round().astype(np.int64)])
    cumulative = np.searchsorted(ordered, points, side="right") / max(len(ordered), 1)
    return NumberSummary(tuple(points.tolist()), tuple(cumulative.tolist()), len(ordered))


def summarise_words(counts: Mapping[str, int]) -> WordSummary:
    """Summarises words from the number of rows of each."""
    rows = sum(counts.values())
    return WordSummary({word: count / rows for word, count in sorted(counts.items()) if count}, rows)


def ks_distance(summary: NumberSummary, values: Floats, counts: npt.NDArray[np.int64]) -> float:
    """Kolmogorov-Smirnov distance of a sample to a summary.

    Args:
        summary: Of at least one row.
        values: Distinct values [n] of the sample, in ascending order.
        counts: How many rows have each of them [n]; at least one row in all.
    """
    grid = np.union1d(np.asarray(summary.points), values)
    ours = _step(values, np.cumsum(counts) / counts.sum(), grid)
    theirs = _step(np.asarray(summary.points), np.asarray(summary.cumulative), grid)
    return float(np.abs(ours - theirs).max())


def _step(points: Floats, cumulative: Floats, grid: Floats) -> Floats:
    return np.concatenate([[0.0], cumulative])[np.searchsorted(points, grid, side="right")]


def total_variation(summary: WordSummary, counts: Mapping[str, int]) -> float:
    """Total variation distance of a sample of words (rows of each; at least one row) to a summary."""
    shares = summarise_words(counts).shares
    return 0.5 * sum(abs(shares.get(word, 0.0) - summary.shares.get(word, 0.0)) for word in {*shares, *summary.shares})


def ks_chance(rows: int, reference_rows: int) -> float:
    """The distance that two samples of one distribution pass with probability `CHANCE`.

    Smirnov's asymptotic law, `P(D > d) = 2 exp(-2 d^2 nm / (n + m))`; conservative where values repeat.
    """
    return math.sqrt(-math.log(CHANCE / 2) / 2 * (1 / rows + 1 / reference_rows))


def total_variation_chance(summary: WordSummary, counts: Mapping[str, int]) -> float:
    """The same for words: a bound on the mean distance, plus McDiarmid's bound on how far one may lie above it.

    The mean is at most half the sum of the standard deviations of the differences in share (Jensen); changing one row
    moves the distance by at most 1/n, so it exceeds its mean by t with probability at most exp(-2 t^2 / (1/n + 1/m)).
    """
    rows = sum(counts.values())
    spread = 1 / rows + 1 / summary.rows
    pooled = {
        word: (counts.get(word, 0) + summary.shares.get(word, 0.0) * summary.rows) / (rows + summary.rows)
        for word in {*counts, *summary.shares}
    }
    mean = 0.5 * sum(math.sqrt(share * (1 - share) * spread) for share in pooled.values() if 0 < share < 1)
    return mean + math.sqrt(-math.log(CHANCE) / 2 * spread)
