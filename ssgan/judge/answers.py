"""Who answers what: every entrant's answers about the judged rows, each from a model that had not seen the label.

With a holdout the exported artefacts answer, which are what is served. With crossfit the models of the folds do, and
their outputs are calibrated fold by fold, from the other folds: no row's own answer has a say in how it is calibrated.
(Its label has a little, for the other folds' models learned from it.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ssgan.config import CalibrateParams
from ssgan.judge import words
from ssgan.judge.calibrate import answer_in_unit, beside, class_shares, fit, read_folds
from ssgan.judge.limits import within
from ssgan.judge.metrics import Array
from ssgan.judge.prepared import Prepared
from ssgan.learn.artefact import Artefact, Predictions, answers
from ssgan.learn.prepare import frame_columns
from ssgan.project import Project
from ssgan.records import Calibration

PRIORS: tuple[Literal["balanced", "labelled", "unlabelled"], ...] = ("balanced", "labelled", "unlabelled")


@dataclass(frozen=True)
class Judged:
    """What the models say of the judged rows `[m]`.

    Attributes:
        ours: the SSGAN's predictions, calibrated, as they would be served.
        raw: the same before calibration.
        others: by name the twin's, the ablation's and, where a committee answers, the discriminator's own; for the same
            shares of classes as ours, and with crossfit with temperatures of their own.
        by_prior: the SSGAN's with other class shares taken for granted; {} for values.
        fake: P(fake) of "labelled", "unlabelled" and "test" rows.
        artefact: the SSGAN's.
    """

    ours: Predictions
    raw: Predictions
    others: dict[str, Predictions]
    by_prior: dict[str, Predictions]
    fake: dict[str, Array]
    artefact: Artefact


def gather(project: Project, prepared: Prepared, knobs: CalibrateParams) -> Judged:
    """Asks the models.

    Raises:
        ArtefactError: if a stored model is damaged.
    """
    artefact = Artefact.load(project.model)
    held = artefact.predict_columns(frame_columns(prepared.test, prepared.contract)).fake_probability
    known = prepared.labelled
    fake = {
        "unlabelled": artefact.predict_encoded(prepared.x[~known]).fake_probability if not known.all() else np.empty(0),
        "test": held,
    }
    if prepared.crossfit:
        judged = _by_folds(project, prepared, artefact, knobs, fake)
    else:
        of_labelled = artefact.predict_encoded(prepared.x[known]).fake_probability
        judged = _by_holdout(project, prepared, artefact, knobs, {"labelled": of_labelled, **fake})
    return replace(judged, ours=within(judged.ours, artefact.contract))


def answers_of(predictions: Predictions) -> Array:
    """What is scored: the probabilities of a classification, the values of a regression."""
    return predictions.answer if predictions.probabilities is None else predictions.probabilities


def _by_holdout(
    project: Project, prepared: Prepared, artefact: Artefact, knobs: CalibrateParams, fake: dict[str, Array]
) -> Judged:
    columns = prepared.judged_columns()
    x = artefact.encoder.encode_columns(columns)
    outputs = artefact.outputs(x)
    others, same = {}, beside(artefact.calibration)
    if artefact.committee:
        others[words.ALONE] = artefact.predict_alone(x, same)
    others[words.TWIN] = Artefact.load(project.twin).predict_encoded(x)
    if (project.trained / words.ABLATION).is_dir():
        ablation = Artefact.load(project.trained / words.ABLATION)
        others[words.ABLATION] = answers(ablation.contract, ablation.metadata, *ablation.outputs(x), same)
    raw = answers(artefact.contract, artefact.metadata, *outputs)
    by_prior = _by_prior(project, prepared, artefact, outputs, knobs)
    ours = artefact.predict_encoded(x, columns)
    return Judged(ours, raw, others, by_prior, fake, artefact)


def _by_prior(
    project: Project, prepared: Prepared, artefact: Artefact, outputs: tuple[Array, Array], knobs: CalibrateParams
) -> dict[str, Predictions]:
    """The answers with other class shares taken for granted, calibrated as `calibrate` would with that knob."""
    folds, classes = read_folds(project), len(prepared.contract.classes)
    task = folds.get(f"{words.OURS}_task")
    if not classes or task is None or task.shape != (prepared.labelled.sum(), classes):
        return {}
    found: dict[str, Predictions] = {}
    for prior in PRIORS:
        wanted = knobs.model_copy(update={"prior": prior})
        fitted = fit(
            answer_in_unit(task, artefact),
            prepared.y[prepared.labelled],
            classes,
            folds.get("ssgan_pool"),
            wanted,
        )
        found[prior] = answers(artefact.contract, artefact.metadata, *outputs, fitted)
    return found


def _by_folds(
    project: Project, prepared: Prepared, artefact: Artefact, knobs: CalibrateParams, fake: dict[str, Array]
) -> Judged:
    folds = read_folds(project)

    def said(name: str, knobs: CalibrateParams = knobs, part: str = "task") -> Predictions:
        outputs = folds[f"{name}_{part}"], folds[f"{name}_realness"]
        ours = folds["ssgan_task"] if prepared.contract.classes else None
        return calibrated(artefact, outputs, prepared.truth, folds["fold"], folds.get("ssgan_pool"), knobs, ours)

    ours = said(words.OURS)
    raw = answers(artefact.contract, artefact.metadata, folds["ssgan_task"], folds["ssgan_realness"])
    others = {words.ALONE: said(words.OURS, part="alone")} if "ssgan_alone" in folds else {}
    others |= {name: said(name) for name in (words.TWIN, words.ABLATION) if f"{name}_task" in folds}
    priors = PRIORS if prepared.contract.classes else ()
    by_prior: dict[str, Predictions] = {
        prior: said(words.OURS, knobs.model_copy(update={"prior": prior})) for prior in priors
    }
    return Judged(ours, raw, others, by_prior, {"labelled": ours.fake_probability, **fake}, artefact)


def calibrated(
    artefact: Artefact,
    outputs: tuple[Array, Array],
    truth: Array,
    fold: Array,
    pool: Array | None,
    knobs: CalibrateParams,
    pooled: Array | None = None,
) -> Predictions:
    """Answers of the models of the folds, each fold's calibrated by the other folds' rows.

    Args:
        artefact: whose contract, scale and limit of P(fake) they share.
        outputs: task `[m, width]` and realness `[m, 1]`.
        truth: labels `[m]`.
        fold: int64 `[m]`.
        pool: see `learn/folds.py`.
        knobs: of the calibration.
        pooled: logits `[m, K]` of the models that answered the pool; None: of these.
    """
    task, realness = outputs
    in_unit, classes = answer_in_unit(task, artefact), len(artefact.contract.classes)
    parts, places = [], []
    for number in np.unique(fold):
        held = fold == number
        fitted = _none(knobs)
        if not held.all():
            others = truth[~held]
            shares = (
                None if pooled is None else class_shares(np.asarray(pooled, np.float64)[~held], others, classes, pool)
            )
            fitted = fit(in_unit[~held], others, classes, pool, knobs, shares)
        fitted = fitted.model_copy(update={"fake_limit": artefact.calibration.fake_limit})
        parts.append(answers(artefact.contract, artefact.metadata, task[held], realness[held], fitted))
        places.append(np.flatnonzero(held))
    return _joined(parts, np.argsort(np.concatenate(places)))


def _none(knobs: CalibrateParams) -> Calibration:
    return Calibration(rows=0, coverage=knobs.coverage)


def _joined(parts: list[Predictions], order: Array) -> Predictions:
    """Predictions of several models as one; what one of them cannot say, such as a set, none says."""

    def whole(name: str) -> Array | None:
        found = [getattr(part, name) for part in parts]
        return None if any(each is None for each in found) else np.concatenate(found)[order]

    answer, fake, unlike = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("answer", "fake_probability", "unlike")
    )
    return Predictions(
        answer, whole("probabilities"), fake, unlike, sets=whole("sets"), low=whole("low"), high=whole("high")
    )
