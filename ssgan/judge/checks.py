"""Beyond the score: is it calibrated, does it know strangers, and for whom is it worse?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ssgan.config import EvaluateParams
from ssgan.contract import Contract, NumberColumn
from ssgan.errors import ParamsError
from ssgan.judge.bootstrap import mean_score, resample, score_entrant
from ssgan.judge.metrics import Array, Floats, Scorer, resampled_auroc
from ssgan.learn.artefact import Predictions
from ssgan.records import CalibrationCheck, Reliability, Score, SliceScore

BINS = 10
LEAST_ROWS = 10  # of a slice, for a score
QUARTERS = 4
STRANGERS = 5000  # rows of a kind that are told from real ones, at most: enough for an interval of 0.01
SHIFT = 2.0  # deviations that the numbers of a shifted row are moved by


def calibration_check(
    truth: Array,
    raw: Predictions,
    ours: Predictions,
    coverage: float,
    scorer: Scorer,
    knobs: EvaluateParams,
    groups: Array,
) -> CalibrationCheck:
    """What calibration did, on rows that it was not fitted on.

    Args:
        truth: labels `[m]`.
        raw: the predictions before it.
        ours: the predictions after it.
        coverage: asked.
        scorer: of the judged rows.
        knobs: of the bootstrap.
        groups: names `[m]`.
    """
    found = CalibrationCheck(before={}, after={}, asked=coverage, covered=None, unlike=float(ours.unlike.mean()))
    if ours.probabilities is None or raw.probabilities is None:
        if ours.low is None or ours.high is None:
            return found
        within = (ours.low <= truth) & (truth <= ours.high)
        return found.model_copy(
            update={
                "covered": mean_score(within, scorer.strata, knobs, groups),
                "size": mean_score(ours.high - ours.low, scorer.strata, knobs, groups),
            }
        )
    quality = [_quality(scorer, truth, each) for each in (raw.probabilities, ours.probabilities)]
    bins = reliability(truth, ours.probabilities)
    found = found.model_copy(update={"before": quality[0], "after": quality[1], "bins": bins})
    return found if ours.sets is None else found.model_copy(update=_of_sets(ours.sets, truth, scorer, knobs, groups))


def _of_sets(sets: Array, truth: Array, scorer: Scorer, knobs: EvaluateParams, groups: Array) -> dict[str, object]:
    """How often sets `[m, K]` hold the truth, of all rows and of each class's, and how large they are."""
    held = sets[np.arange(len(truth)), truth]
    each = {}
    for kind in np.unique(truth):
        of_kind = truth == kind
        alone = np.zeros(int(of_kind.sum()), int)
        each[str(kind)] = mean_score(held[of_kind], alone, knobs, groups[of_kind])
    return {
        "covered": mean_score(held, scorer.strata, knobs, groups),
        "covered_per_class": each,
        "size": mean_score(sets.sum(axis=1), scorer.strata, knobs, groups),
    }


def _quality(scorer: Scorer, truth: Array, probabilities: Floats) -> dict[str, float]:
    scores = scorer.score(scorer.clean(probabilities))
    return {"log_loss": scores["log_loss"], "brier": scores["brier"], "ece": calibration_error(truth, probabilities)}


def reliability(truth: Array, probabilities: Floats) -> tuple[Reliability, ...]:
    """How often the answered class is right, over how sure the model was: bins of about equally many rows.

    Rows that the model is equally sure of are never divided, for then the order of rows would decide which go together.
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    order = np.argsort(sure, kind="stable")
    parts = np.array_split(order, min(BINS, max(1, len(order) // LEAST_ROWS)))
    cuts = np.searchsorted(sure[order], [sure[part[0]] for part in parts[1:]])
    return tuple(
        Reliability(sure=float(sure[part].mean()), right=float(right[part].mean()), rows=len(part))
        for part in np.split(order, cuts)
        if len(part)
    )


def scores_at_shares(scorer: Scorer, answers: Floats, truth: Array, shares: Floats) -> dict[str, float]:
    """What rows of other shares of classes [K] would score; {} where a class has no judged row to speak for it."""
    rows = np.bincount(truth, minlength=len(shares))
    if not rows.all():
        return {}
    scores = scorer.resampled(answers, (shares / rows)[truth][np.newaxis], ranking=False)
    return {name: float(scores[name][0]) for name in ("accuracy", "macro_f1", "log_loss", "brier")}


def calibration_error(truth: Array, probabilities: Floats) -> float:
    """Expected calibration error over bins of equally many rows (Nguyen & O'Connor 2015)."""
    bins = reliability(truth, probabilities)
    return float(sum(each.rows * abs(each.sure - each.right) for each in bins) / len(truth))


def error_by_chance(bins: Sequence[Reliability]) -> float:
    """The calibration error to be expected of probabilities that are exactly right: a bin's share strays by chance.

    By the mean distance of a normal variable from its middle, sqrt(2 / pi) of its deviation.
    """
    strayed = [each.rows * math.sqrt(2 / math.pi * each.sure * (1 - each.sure) / each.rows) for each in bins]
    return sum(strayed) / sum(each.rows for each in bins)


def slices(
    rows: pd.DataFrame,
    contract: Contract,
    scorer: Scorer,
    answers: Floats,
    knobs: EvaluateParams,
    groups: Array,
) -> tuple[SliceScore, ...]:
    """Scores by the values of the columns that `evaluate.slices` names: a category each, or quarters of a number.

    Raises:
        ParamsError: if the contract has no such column, or ignores it, for then intake leaves it out.
    """
    found = []
    for column in knobs.slices:
        if column not in rows:
            known = column in contract.columns
            lacking = "ignored by the contract and so not kept" if known else "no column of the contract"
            raise ParamsError(
                f"params.yaml: evaluate.slices names {column!r}, which is {lacking}; "
                f"slices are by {', '.join(contract.features)}"
            )
        for name, part in _parts(rows[column], contract.columns.get(column)):
            metrics: Mapping[str, Score] = {}
            if part.sum() >= LEAST_ROWS:
                own = scorer.part(part)
                samples = resample(own, {"ssgan": answers[part]}, knobs, groups[part])["ssgan"]
                metrics = score_entrant("ssgan", own.score(answers[part]), samples, knobs.confidence).metrics
            found.append(SliceScore(column=column, name=name, rows=int(part.sum()), metrics=dict(metrics)))
    return tuple(found)


def _parts(values: pd.Series, column: object) -> list[tuple[str, Array]]:
    missing = values.isna().to_numpy()
    parts = [("missing", missing)] if missing.any() else []
    if missing.all():
        return parts
    if isinstance(column, NumberColumn):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        edges: Array = np.unique(np.nanquantile(numbers, np.linspace(0, 1, QUARTERS + 1)))
        for low, high in itertools.pairwise(edges):
            last = high == edges[-1]
            inside = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
            parts.append((f"{low:.4g} to {high:.4g}", inside))
        return parts
    text = values.astype(str).to_numpy()
    return [*parts, *((each, (text == each) & ~missing) for each in sorted(set(text[~missing])))]


def strangers(real: Array, others: Mapping[str, Array], knobs: EvaluateParams) -> dict[str, Score]:
    """How well P(fake) tells rows of other origin from real ones that no training saw: AUROC with its interval.

    Of each kind at most `STRANGERS` rows are looked at, drawn by lot.

    Args:
        real: P(fake) of real rows `[r]`.
        others: by name P(fake) of others.
        knobs: of the bootstrap.
    """
    from sklearn.metrics import roc_auc_score

    from ssgan.judge.bootstrap import draw, interval

    found = {}
    real = _some(real, knobs.seed)
    for name, fake in others.items():
        if not len(fake) or not len(real):
            continue
        fake = _some(fake, knobs.seed + 1)
        scores, positive = np.concatenate([real, fake]), np.arange(len(real) + len(fake)) >= len(real)
        draws = draw(positive.astype(np.int64), knobs.resamples, knobs.seed)
        samples = np.concatenate([resampled_auroc(positive, scores, counts) for counts in draws])
        low, high = interval(samples, knobs.confidence)
        found[name] = Score(value=float(roc_auc_score(positive, scores)), low=low, high=high)
    return found


def _some(values: Array, seed: int) -> Array:
    if len(values) <= STRANGERS:
        return values
    return np.random.default_rng(seed).choice(values, STRANGERS, replace=False)


def shifted(columns: Mapping[str, Array], contract: Contract, seed: int) -> dict[str, Array] | None:
    """The rows with every number moved by two deviations of its column, up or down by lot; None without numbers."""
    generator = np.random.default_rng(seed)
    moved = dict(columns)
    numbers = [name for name, column in contract.features.items() if isinstance(column, NumberColumn)]
    for name in numbers:
        values = np.asarray(columns[name], np.float64)
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        moved[name] = values + SHIFT * spread * generator.choice([-1.0, 1.0], len(values))
    return moved if numbers else None
