"""The stage `evaluate`: did the unlabelled rows help, by how much, how sure are we, and who else is good?

Every model answers the same labelled rows, none of which it had seen: those of the holdout, or with crossfit every
labelled row, in turn. The supervised twin is the same network without any term on unlabelled rows; the ablation lacks
the real/fake term alone.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ssgan.config import EvaluateParams, Params, read_params
from ssgan.contract import ROW_ID
from ssgan.errors import ParamsError
from ssgan.judge import words
from ssgan.judge.answers import Judged, answers_of, gather
from ssgan.judge.baselines import stored_answers, stored_caps, stored_curves
from ssgan.judge.bootstrap import class_scores, difference, resample, score_entrant
from ssgan.judge.calibrate import answer_in_unit, beside, read_folds
from ssgan.judge.checks import calibration_check, scores_at_shares, shifted, slices, strangers
from ssgan.judge.metrics import Array, ClassScorer, Floats, Scorer, ValueScorer, higher_is_better
from ssgan.judge.prepared import Findings, Prepared, read_prepared
from ssgan.learn.artefact import Artefact, class_probabilities
from ssgan.learn.prepare import frame_columns
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Calibration, CalibrationCheck, CurvePoint, Evaluation, ModelScore, Score, write_atomically


def evaluate(project: Project) -> Evaluation:
    """Judges the SSGAN, its twin and the baselines; writes the evaluation, the table of scores and the report.

    Raises:
        ParamsError: if a knob does not fit the task.
        ArtefactError: if a stored model is damaged.
    """
    from ssgan.judge.report import write_report  # draws, and so loads matplotlib

    prepared, params = read_prepared(project), read_params(project.params)
    knobs = params.evaluate
    metric = deciding_metric(prepared, knobs)  # a wrong knob is told before the work
    say("evaluate: the models answer the judged rows")
    judged = gather(project, prepared, params.calibrate)
    baselines, left_out = stored_answers(project, prepared)
    others = {name: answers_of(each) for name, each in judged.others.items()}
    entrants = {words.OURS: answers_of(judged.ours), **others, **baselines}
    say(f"evaluate: {len(entrants)} models on {len(prepared.truth)} labelled rows, {knobs.resamples} resamples")
    scorer = make_scorer(prepared)
    fake = judged.fake | _other_fakes(project, prepared, judged)
    evaluation = judge(prepared, scorer, entrants, knobs, fake, left_out)
    evaluation = evaluation.model_copy(update=_beyond_scores(project, prepared, judged, scorer, evaluation, fake))
    evaluation.write(project.evaluation)
    write_atomically(project.reports / "scores.csv", scores_csv(evaluation.scores))
    _write_judged(project, prepared, entrants)
    findings = Findings(
        evaluation=evaluation,
        prepared=prepared,
        truth=prepared.truth,
        answers=scorer.clean(entrants[words.OURS]),
        fake=fake,
        rows=prepared.judged,
        artefact=judged.artefact,
        sets=judged.ours.sets,
        low=judged.ours.low,
        high=judged.ours.high,
    )
    write_report(project, findings)
    values = [f"{words.title(each.name)} {words.value_of(evaluation, each)}" for each in evaluation.scores[:2]]
    say(f"evaluate: {words.metric_title(metric)} {', '.join(values)}; {project.report.name} has the rest")
    return evaluation


def _beyond_scores(
    project: Project,
    prepared: Prepared,
    judged: Judged,
    scorer: Scorer,
    evaluation: Evaluation,
    fake: Mapping[str, Array],
) -> dict[str, Any]:
    """The fields of the evaluation that are about the SSGAN alone, the curve, and what baselines had."""
    from ssgan.judge.importance import importance

    params = read_params(project.params)
    knobs, artefact = params.evaluate, judged.artefact
    answers = scorer.clean(answers_of(judged.ours))
    return {
        "model": artefact.digest,
        "capped": stored_caps(project, len(prepared.y)),
        "per_class": _of_classes(prepared, scorer, answers, knobs),
        "slices": slices(prepared.judged, prepared.contract, scorer, answers, knobs, prepared.groups),
        "detection": strangers(fake["test"], _strange(prepared, judged, fake, knobs.seed), knobs),
        "calibration": _calibration(prepared, judged, scorer, params),
        "curve": _curve(project, prepared, scorer, evaluation, knobs, artefact),
        "importance": importance(artefact, prepared.judged, prepared.truth, evaluation.metric, knobs.seed),
        **_of_priors(prepared, judged, scorer),
    }


def _of_priors(prepared: Prepared, judged: Judged, scorer: Scorer) -> dict[str, dict[str, dict[str, float]]]:
    """Scores with each share of classes taken for granted: of the judged rows, and weighted as unlabelled rows are."""
    answers = {prior: scorer.clean(answers_of(each)) for prior, each in judged.by_prior.items()}
    found = {"prior_effect": {prior: scorer.score(each) for prior, each in answers.items()}}
    estimated = judged.artefact.calibration.shares.get("em")
    if estimated is None:
        return found
    shares = np.array([estimated[name] for name in prepared.contract.classes])
    weighted = {prior: scores_at_shares(scorer, each, prepared.truth, shares) for prior, each in answers.items()}
    return {**found, "prior_effect_unlabelled": weighted}


def judge(
    prepared: Prepared,
    scorer: Scorer,
    entrants: Mapping[str, Array],
    knobs: EvaluateParams,
    fake: Mapping[str, Array],
    left_out: Mapping[str, str],
) -> Evaluation:
    """Scores every entrant on the same rows and resamples. The first is the SSGAN; the twin must be among them."""
    clean = {name: scorer.clean(answers) for name, answers in entrants.items()}
    samples = resample(scorer, clean, knobs, prepared.groups)
    scores = tuple(
        score_entrant(name, scorer.score(answers), samples[name], knobs.confidence) for name, answers in clean.items()
    )
    metric = deciding_metric(prepared, knobs)
    draft = Evaluation(
        task=prepared.contract.task,
        method=prepared.split.method,
        folds=prepared.split.folds if prepared.crossfit else 0,
        metric=metric,
        higher_is_better=higher_is_better(metric),
        test_rows=len(prepared.truth),
        test_rows_per_class=_per_class(prepared),
        test_groups=_groups(prepared),
        alike_are_groups=prepared.contract.group is None,
        scores=scores,
        differences=tuple(difference(metric, scores[0], other, samples, knobs.confidence) for other in scores[1:]),
        fake_probability={name: float(values.mean()) for name, values in fake.items() if len(values)},
        sentence="",
        confidence=knobs.confidence,
        resamples=knobs.resamples,
        left_out=dict(left_out),
    )
    unlabelled = int((~prepared.labelled).sum())
    sentence = words.sentence(draft, unlabelled, prepared.groups_per_class)
    return draft.model_copy(update={"sentence": sentence, "headline": _headline(draft)})


def make_scorer(prepared: Prepared) -> Scorer:
    """The scorer of the task over the judged rows."""
    if prepared.contract.classes:
        return ClassScorer(prepared.truth, len(prepared.contract.classes))
    return ValueScorer(prepared.truth)


def deciding_metric(prepared: Prepared, knobs: EvaluateParams) -> str:
    """The metric that decides: the knob's, or the task's own.

    Raises:
        ParamsError: if the knob names a metric of the other task.
    """
    ours = ("balanced_accuracy", "accuracy", "macro_f1") if prepared.contract.classes else ("rmse", "mae")
    if knobs.metric is not None and knobs.metric not in ours:
        raise ParamsError(
            f"params.yaml: evaluate.metric of a {prepared.contract.task} is one of {', '.join(ours)}, "
            f"not {knobs.metric!r}; change it, or set it to null"
        )
    return knobs.metric or ours[0]


def scores_csv(scores: tuple[ModelScore, ...]) -> str:
    """The scores in long form, one metric of one model a line, for `dvc plots` and for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "metric", "value", "low", "high"])
    for model in scores:
        for metric, score in model.metrics.items():
            writer.writerow([model.name, metric, *(repr(each) for each in (score.value, score.low, score.high))])
    return text.getvalue()


def _other_fakes(project: Project, prepared: Prepared, judged: Judged) -> dict[str, Array]:
    """P(fake) of rows that are not real: fakes, where there was a real/fake term, and rows in quarantine."""
    found: dict[str, Array] = {}
    if project.fakes.is_file():
        with np.load(project.fakes, allow_pickle=False) as stored:
            found["generated"] = judged.artefact.predict_encoded(stored["x"]).fake_probability
    with np.load(prepared.folder / "quarantined.npz", allow_pickle=False) as stored:
        found["quarantined"] = judged.artefact.predict_encoded(stored["x"]).fake_probability
    return found


def _strange(prepared: Prepared, judged: Judged, fake: Mapping[str, Array], seed: int) -> dict[str, Array]:
    """P(fake) of what should be told from real rows: the above, and real rows whose numbers were moved."""
    found = {name: fake[name] for name in ("quarantined", "generated") if name in fake}
    moved = shifted(frame_columns(prepared.test, prepared.contract), prepared.contract, seed)
    if moved is not None and len(prepared.test):
        found["shifted"] = judged.artefact.predict_columns(moved).fake_probability
    return found


def _calibration(prepared: Prepared, judged: Judged, scorer: Scorer, params: Params) -> CalibrationCheck:
    check = calibration_check(
        prepared.truth, judged.raw, judged.ours, params.calibrate.coverage, scorer, params.evaluate, prepared.groups
    )
    names = prepared.contract.classes
    named = {names[int(place)]: score for place, score in check.covered_per_class.items()}
    return check.model_copy(update={"covered_per_class": named})


def _of_classes(
    prepared: Prepared, scorer: Scorer, answers: Floats, knobs: EvaluateParams
) -> dict[str, dict[str, Score]]:
    if not isinstance(scorer, ClassScorer):
        return {}
    found = class_scores(scorer, answers, knobs, prepared.groups)
    return {name: found[place] for place, name in enumerate(prepared.contract.classes)}


def _curve(
    project: Project,
    prepared: Prepared,
    scorer: Scorer,
    evaluation: Evaluation,
    knobs: EvaluateParams,
    artefact: Artefact,
) -> tuple[CurvePoint, ...]:
    """The deciding metric of every model over the number of labels, the last point being that of all."""
    folds = read_folds(project)
    labels = folds.get("curve_labels", np.empty(0))
    if not len(labels):
        return ()
    same = beside(artefact.calibration)
    answers = {name: _outputs(folds[f"{name}_curve"], artefact, same) for name in (words.OURS, words.TWIN)}
    answers |= stored_curves(project)
    points = []
    for step, count in enumerate(labels.tolist()):
        clean = {name: scorer.clean(each[step]) for name, each in answers.items()}
        samples = resample(scorer, clean, knobs, prepared.groups, ranking=False)
        for name, each in clean.items():
            value = {evaluation.metric: scorer.score(each)[evaluation.metric]}
            score = score_entrant(name, value, samples[name], knobs.confidence)
            points.append(CurvePoint(model=name, labels=count, score=score.metrics[evaluation.metric]))
    known = int(prepared.labelled.sum())
    whole = round(known * (1 - 1 / prepared.split.folds)) if prepared.crossfit else known
    last = [(each.name, each.metrics[evaluation.metric]) for each in evaluation.scores if each.name in answers]
    return (*points, *(CurvePoint(model=name, labels=whole, score=score) for name, score in last))


def _outputs(task: Array, artefact: Artefact, calibration: Calibration) -> Array:
    """Raw outputs [s, m, width] as answers [s, m, K] or [s, m]."""
    if artefact.contract.classes:
        return np.stack([class_probabilities(each, calibration) for each in task])
    return answer_in_unit(task, artefact)[..., 0]


def _write_judged(project: Project, prepared: Prepared, entrants: Mapping[str, Array]) -> None:
    """Who said what about which row: what the gate needs to compare a later model with this one on the same rows."""
    path = project.judged
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as handle:
        np.savez(
            handle,
            allow_pickle=False,
            id=prepared.judged[ROW_ID].to_numpy(str),
            taught=prepared.ids[prepared.labelled],
            # Under a holdout the split keeps groups apart for ever, so no judged row is of a group that was taught.
            taught_groups=prepared.groups if prepared.crossfit else np.empty(0, str),
            answers=np.asarray(entrants[words.OURS], np.float64),
        )
    fresh.replace(path)


def _groups(prepared: Prepared) -> int:
    """How many groups the judged rows are of; 0 where each is alone in its own."""
    found = len(np.unique(prepared.groups))
    return found if found < len(prepared.groups) else 0


def _per_class(prepared: Prepared) -> dict[str, int]:
    names = prepared.contract.classes
    return {name: int((prepared.truth == index).sum()) for index, name in enumerate(names)}


def _headline(evaluation: Evaluation) -> dict[str, float]:
    metric = evaluation.metric
    numbers = {f"ssgan_{name}": score.value for name, score in evaluation.scores[0].metrics.items()}
    numbers[f"twin_{metric}"] = evaluation.score(words.TWIN).metrics[metric].value
    best = words.best_baseline(evaluation)
    if best is not None:
        numbers[f"best_baseline_{metric}"] = best.metrics[metric].value
    numbers["gain_over_twin"] = next(each.value for each in evaluation.differences if each.baseline == words.TWIN)
    return numbers
