"""How far a column lies from the accepted data, and how far chance alone may carry it.

A batch is counted at the points of the stored distribution, so that parts of it can be added up: the sums, and with
them every distance, are the same however it was divided.

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
BINS = 10  # of the population stability index
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


@dataclass(frozen=True)
class NumberTally:
    """A sample, counted at the points of a summary: rows below each, and rows up to and with it."""

    below: npt.NDArray[np.int64]
    upto: npt.NDArray[np.int64]
    rows: int

    def __add__(self, other: NumberTally) -> NumberTally:
        """Both samples together."""
        return NumberTally(self.below + other.below, self.upto + other.upto, self.rows + other.rows)


def tally_numbers(summary: NumberSummary, values: Floats) -> NumberTally:
    """Counts a sample; NaN (missing) does not count."""
    ordered = np.sort(values[~np.isnan(values)])
    points = np.asarray(summary.points)
    below, upto = (np.searchsorted(ordered, points, side) for side in ("left", "right"))
    return NumberTally(below, upto, len(ordered))


def ks_distance(summary: NumberSummary, tally: NumberTally) -> float:
    """Kolmogorov-Smirnov distance of a sample to a summary, each of at least one row.

    Both shares only rise, and the stored one only at its points, so the largest gap lies at a point or just below one.
    """
    cumulative = np.asarray(summary.cumulative)
    before = np.concatenate([[0.0], cumulative[:-1]])
    at = np.abs(tally.upto / tally.rows - cumulative).max()
    return float(max(at, np.abs(tally.below / tally.rows - before).max()))


def psi_of_numbers(summary: NumberSummary, tally: NumberTally) -> float:
    """Population stability index over the summary's ten tenths: sum of (p - q) ln(p / q), half a row added to each."""
    cumulative = np.asarray(summary.cumulative)
    edges = np.unique(np.searchsorted(cumulative, np.linspace(0, 1, BINS + 1)[1:-1] - 1e-12))
    edges = edges[edges < len(cumulative) - 1]
    theirs = np.diff(cumulative[edges] * summary.rows, prepend=0, append=summary.rows)
    ours = np.diff(tally.upto[edges], prepend=0, append=tally.rows)
    return _psi(np.asarray(ours, np.float64), theirs)


def psi_of_words(summary: WordSummary, counts: Mapping[str, int]) -> float:
    """The same over words."""
    words = sorted({*counts, *summary.shares})
    ours = np.array([counts.get(word, 0) for word in words], np.float64)
    return _psi(ours, np.array([summary.shares.get(word, 0.0) * summary.rows for word in words]))


def _psi(ours: Floats, theirs: Floats) -> float:
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (ours, theirs))
    return float(((p - q) * np.log(p / q)).sum())


def psi_chance(bins: int, rows: int, reference_rows: int) -> float:
    """What chance passes with probability `CHANCE`: PSI times nm / (n + m) is chi-squared with one degree less."""
    from scipy.stats import chi2

    return float(chi2.isf(CHANCE, max(bins - 1, 1)) * (1 / rows + 1 / reference_rows))


def share_chance(share: float, rows: int, reference_rows: int) -> float:
    """How far two shares of one population lie apart with probability `CHANCE` (normal approximation, both sides)."""
    return 3.29 * math.sqrt(max(share * (1 - share), 1 / rows) * (1 / rows + 1 / reference_rows))


def auc_chance(rows: int, reference_rows: int) -> float:
    """The AUC that telling apart equal samples passes with probability `CHANCE` (Mann and Whitney's variance)."""
    return 0.5 + 3.09 * math.sqrt((rows + reference_rows + 1) / (12 * rows * reference_rows))


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
