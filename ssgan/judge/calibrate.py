"""The stage `calibrate`: raw outputs become probabilities that mean what they say, and sets that hold the truth.

Everything is fitted on labelled training rows that were answered by models of other folds. What it says is stored with
the artefact and applied wherever that is asked: in evaluation, in the service and in batch scoring.

- Temperature (Guo et al. 2017), against targets smoothed as Platt (1999) does, whose doubt is one row's in m + 2
  however many classes share it: rows that are all right would else make the model infinitely sure.
- Sets by class-conditional split-conformal prediction (Vovk et al. 2005, "Mondrian"), intervals by residual quantiles.
  The scores come from the models of the folds, the answers from the model of all rows, which is as good or better:
  coverage is then as asked in practice, while the guarantee is that of cross-conformal prediction (Vovk 2015), weaker.
- The shares of classes among unlabelled rows by EM (Saerens et al. 2002) and by BBSE (Lipton et al. 2018).
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ssgan.config import CalibrateParams, read_params
from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.judge.metrics import Array, Floats
from ssgan.learn.artefact import CALIBRATION, Artefact, class_probabilities, write_checksums
from ssgan.learn.encode import Encoder
from ssgan.learn.prepare import frame_columns, is_labelled
from ssgan.learn.ranges import RANGES, Seen
from ssgan.learn.training_rows import TrainingRows, evenly
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Calibration

COLDEST, HOTTEST = 0.05, 20.0  # bounds of the temperature
ROWS = 20_000  # training rows that say what P(fake) is usual


def calibrate(project: Project) -> Calibration:
    """Makes `models/ssgan` and `models/twin` of what was trained.

    Returns:
        The SSGAN's calibration.

    Raises:
        DataError: if nothing was trained, or an older version prepared the data.
        ArtefactError: if a trained model is damaged.
    """
    if not (project.folds).is_file():
        raise DataError("calibration needs models/trained, which is not there: run `ssgan train` first")
    knobs = read_params(project.params).calibrate
    rows = TrainingRows.read(project.prepared)
    x, y = rows.x, rows.y
    folds = read_folds(project)
    if not (project.prepared / RANGES).is_file():
        raise DataError(f"data/prepared has no {RANGES}, for an older ssgan made it: run `ssgan prepare` again")
    # Half of the rows that may be flagged are the ranges' to flag; what these leave is left to P(fake).
    ranges, taken = Seen.read(project.prepared / RANGES).limits(knobs.unlike / 2)
    held_back = _held_back(project)
    done: dict[str, Calibration] = {}
    shares: dict[str, Floats] | None = None
    for name, place in (("ssgan", project.model), ("twin", project.twin)):
        artefact = Artefact.load(project.trained / name)
        level = 1 - (knobs.unlike - taken / max(len(x), 1))
        limit = max(_fake_quantile(artefact, some, level) for some in (evenly(x, ROWS), held_back) if len(some))
        task, pool = folds.get(f"{name}_task"), folds.get("ssgan_pool")
        answered = None if task is None else answer_in_unit(task, artefact)
        truth, classes = y[is_labelled(y)], len(artefact.contract.classes)
        if answered is not None and classes and shares is None:  # the pool is the SSGAN's, and so are its shares
            shares = class_shares(answered, truth, classes, pool)
        fitted = fit(answered, truth, classes, pool, knobs, shares)
        if answered is None and name != "ssgan":
            fitted = beside(done["ssgan"])
        done[name] = named(fitted, artefact.contract.classes).model_copy(update={"fake_limit": limit, "ranges": ranges})
        _place(artefact.folder, place, done[name])
    say(f"calibrate: {_told(done['ssgan'])}")
    return done["ssgan"]


def _held_back(project: Project) -> Array:
    """Encoded rows that no training saw: of these few may be flagged, and of few rows the training knows each one."""
    encoder = Encoder.from_json((project.prepared / "encoder.json").read_text(encoding="utf-8"))
    contract = Contract.model_validate_json((project.prepared / "schema.json").read_text(encoding="utf-8"))
    frame = pd.read_parquet(project.prepared / "test.parquet")
    return encoder.encode_columns(frame_columns(frame.iloc[evenly(np.arange(len(frame)), ROWS)], contract))


def _fake_quantile(artefact: Artefact, x: Array, level: float) -> float:
    return float(np.quantile(artefact.predict_encoded(x).fake_probability, level))


def read_folds(project: Project) -> dict[str, Array]:
    """What `train` kept of the folds; see `learn/folds.py`."""
    with np.load(project.folds, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def answer_in_unit(task: Array, artefact: Artefact) -> Floats:
    """Logits as they are; standardised values [..., 1] in the label's unit."""
    if artefact.contract.classes:
        return np.asarray(task, np.float64)
    mean, scale = (float(artefact.metadata[f"value_{each}"]) for each in ("mean", "scale"))
    return mean + scale * np.asarray(task, np.float64)


def beside(ours: Calibration) -> Calibration:
    """Of a model that no fold measures, so that it is compared with ours on answers for the same shares of classes."""
    return Calibration(rows=0, coverage=ours.coverage, prior=ours.prior, offsets=ours.offsets)


def fit(
    task: Floats | None,
    truth: Array,
    classes: int,
    pool: Array | None,
    knobs: CalibrateParams,
    shares: Mapping[str, Floats] | None = None,
) -> Calibration:
    """Calibrates outputs.

    Args:
        task: logits [m, K] or values [m, 1] of labelled rows, by models that had not seen them; None: there are none.
        truth: numbers of classes [m], or values [m].
        classes: K; 0 for values.
        pool: logits [folds, p, K] of unlabelled rows; None or empty: their shares cannot be estimated.
        knobs: coverage, prior.
        shares: of the classes, as `class_shares` gives them, by the model that answered the pool; None: by this one.
    """
    if task is None or not len(task):
        return Calibration(rows=0, coverage=knobs.coverage)
    if not classes:
        width = conformal_quantile(np.abs(task[:, 0] - truth), knobs.coverage)
        return Calibration(rows=len(task), coverage=knobs.coverage, half_width=width if math.isfinite(width) else None)
    shares = class_shares(task, truth, classes, pool) if shares is None else shares
    labelled, balanced = shares["labelled"], np.full(classes, 1 / classes)
    draft = Calibration(rows=len(task), coverage=knobs.coverage, temperature=temperature(task, truth, balanced))
    wanted = {"balanced": balanced, "labelled": labelled, "unlabelled": shares.get("em", labelled)}[knobs.prior]
    wanted = np.maximum(wanted, 1e-6)
    offsets = () if knobs.prior == "balanced" else tuple(np.log(wanted / balanced).tolist())
    draft = draft.model_copy(update={"prior": knobs.prior, "offsets": offsets})
    probabilities = class_probabilities(task, draft)
    wrong = 1 - probabilities[np.arange(len(truth)), truth]
    thresholds = [min(1.0, conformal_quantile(wrong[truth == each], knobs.coverage)) for each in range(classes)]
    named_shares = {
        name: {str(place): float(share) for place, share in enumerate(each)} for name, each in shares.items()
    }
    return draft.model_copy(update={"thresholds": tuple(thresholds), "shares": named_shares})


def class_shares(task: Floats, truth: Array, classes: int, pool: Array | None) -> dict[str, Floats]:
    """The shares of the classes [K]: "labelled" among labelled rows; where there is a pool, "em" and "bbse" in it.

    Args:
        task, truth, classes, pool: as in `fit`; of one model, which answered the pool too.
    """
    shares: dict[str, Floats] = {"labelled": np.bincount(truth, minlength=classes) / len(truth)}
    if pool is not None and pool.shape[1]:
        cooled = temperature(task, truth, np.full(classes, 1 / classes))
        draft = Calibration(rows=len(task), coverage=0.0, temperature=cooled)
        of_pool = np.mean([class_probabilities(each, draft) for each in pool], axis=0)
        shares["em"] = em_shares(of_pool)
        shares["bbse"] = bbse_shares(class_probabilities(task, draft), truth, of_pool)
    return shares


def named(calibration: Calibration, classes: tuple[str, ...]) -> Calibration:
    """The same, its shares under the names of the classes."""
    shares = {
        method: {classes[int(place)]: share for place, share in each.items()}
        for method, each in calibration.shares.items()
    }
    return calibration.model_copy(update={"shares": shares})


def temperature(task: Floats, truth: Array, shares: Floats) -> float:
    """What logits are divided by so that the log loss of the labelled rows, classes weighted to `shares`, is least.

    Args:
        task: logits [m, K].
        truth: numbers of classes [m].
        shares: of the classes, [K]; those that the probabilities are for.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows, classes = task.shape
    counts = np.bincount(truth, minlength=classes)
    weights = (shares / np.maximum(counts, 1))[truth]
    doubt = 1 / (rows + 2)
    targets = np.full(task.shape, doubt / (classes - 1))
    targets[np.arange(rows), truth] = 1 - doubt

    def loss(log: float) -> float:
        return float(-(weights[:, None] * targets * log_softmax(task / math.exp(log), axis=1)).sum())

    found = minimize_scalar(loss, bounds=(math.log(COLDEST), math.log(HOTTEST)), method="bounded")
    return round(math.exp(float(found.x)), 6)


def conformal_quantile(scores: Floats, coverage: float) -> float:
    """The ceil((m + 1) coverage)-th smallest of m scores; infinite where m is too small for the coverage."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def em_shares(probabilities: Floats, rounds: int = 200) -> Floats:
    """The shares of classes that make unlabelled rows most probable (Saerens et al. 2002, equation 4).

    Args:
        probabilities: [p, K], for classes of equal shares.
        rounds: of EM.
    """
    shares = np.full(probabilities.shape[1], 1 / probabilities.shape[1])
    for _ in range(rounds):
        weighted = probabilities * shares
        shares = (weighted / np.maximum(weighted.sum(axis=1, keepdims=True), 1e-300)).mean(axis=0)
    return np.asarray(shares, np.float64)


def bbse_shares(probabilities: Floats, truth: Array, of_pool: Floats) -> Floats:
    """The shares that explain the mean answer to unlabelled rows by the answers to rows of each class (Lipton 2018)."""
    from scipy.optimize import nnls

    classes = probabilities.shape[1]
    means = [
        probabilities[truth == each].mean(axis=0) if (truth == each).any() else np.eye(classes)[each]
        for each in range(classes)
    ]
    shares, _ = nnls(np.stack(means, axis=1), of_pool.mean(axis=0))
    return np.asarray(shares / max(float(shares.sum()), 1e-12), np.float64)


def _place(trained: Path, place: Path, calibration: Calibration) -> None:
    """Copies the artefact beside its place, adds the calibration, then moves it there whole."""
    fresh = place.with_name(f".{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(trained, fresh)
    calibration.write(fresh / CALIBRATION)
    write_checksums(fresh)
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def _told(calibration: Calibration) -> str:
    if not calibration.rows:
        return (
            "no labelled row could be answered by a model that had not seen its label: answers are as the graph gives"
        )
    if not calibration.thresholds:
        width = calibration.half_width
        too_few = "no interval: too few labelled rows for this coverage"
        return too_few if width is None else f"intervals of ±{width:.3g} for {calibration.coverage:.0%} coverage"
    always = sum(each >= 1 for each in calibration.thresholds)
    scarce = f"; {always} classes have too few labelled rows to be left out of a set" if always else ""
    return f"temperature {calibration.temperature:.2f}, sets for {calibration.coverage:.0%} coverage{scarce}"
