"""How sure the scores are: percentile intervals over resampled test rows, the same resamples for every model.

Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13 (percentile interval).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ssgan.config import EvaluateParams
from ssgan.judge.metrics import Array, ClassScorer, Floats, Scorer, gain
from ssgan.records import Difference, ModelScore, Score

_CELLS = 2_000_000  # counts held at once: 16 MB
_FEW = 10  # groups; fewer with the same classes do not tell how far groups are apart

Samples = dict[str, dict[str, Floats]]  # model -> metric -> [resamples]


def draw(strata: Array, resamples: int, seed: int, groups: Array | None = None) -> Iterator[Floats]:
    """How often each row is drawn, in blocks `[b, m]` of resamples.

    Each resample draws, with replacement, as many rows of every stratum as there are, so that none loses a class. With
    groups, it draws groups whole: rows of one patient are no independent witnesses. The strata of groups are the sets
    of classes that they hold; sets that few groups hold are one stratum, for a group that is alone in its own would be
    drawn once in every resample, and seem to be certain. A resample that so loses a class is given a group of it.

    Args:
        strata: int64 `[m]`.
        resamples: how many.
        seed: of the draws.
        groups: names `[m]`; None: every row stands alone.
    """
    of_row, held = _units(strata, groups)
    unit_strata = strata if held is None else _kinds(held)
    generator = np.random.default_rng(seed)
    members = [np.flatnonzero(unit_strata == stratum) for stratum in np.unique(unit_strata)]
    block = max(1, _CELLS // len(strata))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        counts = np.zeros((size, len(unit_strata)))
        offset = np.arange(size)[:, None]
        for units in members:
            drawn = generator.integers(len(units), size=(size, len(units)))
            flat = np.bincount((drawn + offset * len(units)).ravel(), minlength=size * len(units))
            counts[:, units] = flat.reshape(size, len(units))
        if held is not None:
            _give_back(counts, held, generator)
        yield counts[:, of_row]


def _units(strata: Array, groups: Array | None) -> tuple[Array, Array | None]:
    """The unit of each row `[m]`, and whether each group holds rows of each stratum, bool; None without groups."""
    rows = np.arange(len(strata))
    if groups is None or len(np.unique(groups)) == len(groups):
        return rows, None
    _, of_row = np.unique(groups, return_inverse=True)
    held = np.zeros((of_row.max() + 1, strata.max() + 1), bool)
    held[of_row, strata] = True
    return of_row, held


def _kinds(held: Array) -> Array:
    """The stratum of each group `[units]`: its set of classes; -1 for all whose set few have."""
    _, kinds, sizes = np.unique(held, axis=0, return_inverse=True, return_counts=True)
    kinds = kinds.ravel()
    found: Array = np.where(sizes[kinds] < _FEW, -1, kinds)
    return found


def _give_back(counts: Floats, held: Array, generator: np.random.Generator) -> None:
    """Adds a group of each class that a resample has lost; `counts` are those of groups `[b, units]`."""
    lost = (counts @ held == 0) & held.any(axis=0)
    for resample, stratum in np.argwhere(lost):
        counts[resample, generator.choice(np.flatnonzero(held[:, stratum]))] += 1


def resample(
    scorer: Scorer,
    entrants: Mapping[str, Floats],
    knobs: EvaluateParams,
    groups: Array | None = None,
    ranking: bool = True,
) -> Samples:
    """Every metric of every entrant on the same resamples; without `ranking` none that needs rows in order."""
    blocks: dict[str, dict[str, list[Floats]]] = {name: {} for name in entrants}
    for counts in draw(scorer.strata, knobs.resamples, knobs.seed, groups):
        for name, answers in entrants.items():
            for metric, values in scorer.resampled(answers, counts, ranking).items():
                blocks[name].setdefault(metric, []).append(values)
    return {
        name: {metric: np.concatenate(parts) for metric, parts in metrics.items()} for name, metrics in blocks.items()
    }


def mean_score(values: Array, strata: Array, knobs: EvaluateParams, groups: Array | None = None) -> Score:
    """The mean of a number per row with its interval, such as the share of sets that hold the truth."""
    numbers = np.asarray(values, np.float64)
    samples = np.concatenate(
        [counts @ numbers / counts.sum(axis=1) for counts in draw(strata, knobs.resamples, knobs.seed, groups)]
    )
    low, high = interval(samples, knobs.confidence)
    return Score(value=float(numbers.mean()), low=low, high=high)


def class_scores(
    scorer: ClassScorer, answers: Floats, knobs: EvaluateParams, groups: Array | None = None
) -> dict[int, dict[str, Score]]:
    """Recall, AUROC and AUPRC of each class against the rest, with intervals."""
    samples: dict[tuple[int, str], list[Floats]] = {}
    for counts in draw(scorer.strata, knobs.resamples, knobs.seed, groups):
        for number in range(scorer.classes):
            for metric, values in scorer.of_class(answers, number, counts).items():
                samples.setdefault((number, metric), []).append(values)
    found: dict[int, dict[str, Score]] = {number: {} for number in range(scorer.classes)}
    for (number, metric), parts in samples.items():
        low, high = interval(np.concatenate(parts), knobs.confidence)
        value = scorer.of_class(answers, number, np.ones((1, len(answers))))[metric][0]
        found[number][metric] = Score(value=float(value), low=low, high=high)
    return found


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
