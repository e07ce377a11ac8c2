"""How sure the scores are: percentile intervals over resampled test rows, the same resamples for every model.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ssgan.config import EvaluateParams
from ssgan.judge.metrics import Array, Floats, Scorer, gain
from ssgan.records import Difference, ModelScore, Score

_CELLS = 2_000_000  # counts held at once: 16 MB

Samples = dict[str, dict[str, Floats]]  # model -> metric -> [resamples]


def draw(strata: Array, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each row is drawn, in blocks `[b, m]` of resamples.

    Each resample draws, with replacement, as many rows of every stratum as there are, so that none loses a class.
    """
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    block = max(1, _CELLS // len(strata))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        counts = np.zeros((size, len(strata)))
        offset = np.arange(size)[:, None]
        for rows in members:
            drawn = generator.integers(len(rows), size=(size, len(rows)))
            flat = np.bincount((drawn + offset * len(rows)).ravel(), minlength=size * len(rows))
            counts[:, rows] = flat.reshape(size, len(rows))
        yield counts


def resample(scorer: Scorer, entrants: Mapping[str, Floats], knobs: EvaluateParams) -> Samples:
    """Every metric of every entrant on the same resamples."""
    blocks: dict[str, dict[str, list[Floats]]] = {name: {} for name in entrants}
    for counts in draw(scorer.strata, knobs.resamples, knobs.seed):
        for name, answers in entrants.items():
            for metric, values in scorer.resampled(answers, counts).items():
                blocks[name].setdefault(metric, []).append(values)
    return {
        name: {metric: np.concatenate(parts) for metric, parts in metrics.items()} for name, metrics in blocks.items()
    }


def interval(samples: Floats, confidence: float) -> tuple[float, float]:
    """The percentile interval that holds the share `confidence` of the samples."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def score_entrant(name: str, values: Mapping[str, float], samples: Mapping[str, Floats], level: float) -> ModelScore:
    """The scores of one entrant with their intervals."""
    metrics = {}
    for metric, value in values.items():
        low, high = interval(samples[metric], level)
        metrics[metric] = Score(value=value, low=low, high=high)
    return ModelScore(name=name, metrics=metrics)


def difference(metric: str, ours: ModelScore, theirs: ModelScore, samples: Samples, level: float) -> Difference:
    """How much better we are than they on the same rows; positive is better, a tie counts as half a win."""
    gains = gain(metric, samples[ours.name][metric], samples[theirs.name][metric])
    low, high = interval(gains, level)
    return Difference(
        baseline=theirs.name,
        value=gain(metric, ours.metrics[metric].value, theirs.metrics[metric].value),
        low=low,
        high=high,
        win_probability=float(np.mean(gains > 0) + np.mean(gains == 0) / 2),
    )
