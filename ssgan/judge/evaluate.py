"""The stage `evaluate`: did the unlabelled rows help, by how much, how sure are we, and who else is good?

The SSGAN and its twin answer through the exported artefact, which is what is served; the baselines' answers were
stored by their own stage. All are judged on the same labelled test rows, which no training has seen. The supervised
twin is the same network without any term on unlabelled rows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

import numpy as np

from ssgan.config import EvaluateParams, read_params
from ssgan.errors import ParamsError
from ssgan.judge import words
from ssgan.judge.baselines import stored_answers
from ssgan.judge.bootstrap import difference, resample, score_entrant
from ssgan.judge.metrics import Array, ClassScorer, Scorer, ValueScorer, higher_is_better
from ssgan.judge.prepared import Findings, Prepared, read_prepared
from ssgan.learn.artefact import Artefact, Predictions
from ssgan.learn.prepare import frame_columns
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Evaluation, ModelScore, write_atomically


def evaluate(project: Project) -> Evaluation:
    """Judges the SSGAN, its twin and the baselines; writes the evaluation, the table of scores and the report.

    Raises:
        DataError: if no test row has a label.
        ArtefactError: if a stored model is damaged.
    """
    from ssgan.judge.report import write_report  # draws, and so loads matplotlib

    prepared = read_prepared(project)
    knobs = read_params(project.params).evaluate
    deciding_metric(prepared, knobs)  # a wrong knob is told before the work
    say("evaluate: the SSGAN and its twin answer the test rows")
    ours, twin = Artefact.load(project.model), Artefact.load(project.twin)
    entrants, fake, left_out = _gather(project, prepared, ours, twin)
    say(f"evaluate: {len(entrants)} models on {len(prepared.truth)} labelled test rows, {knobs.resamples} resamples")
    scorer = make_scorer(prepared)
    evaluation = judge(prepared, scorer, entrants, knobs, fake, left_out)
    evaluation = evaluation.model_copy(update={"model": ours.digest})
    evaluation.write(project.evaluation)
    write_atomically(project.reports / "scores.csv", scores_csv(evaluation.scores))
    answers = scorer.clean(entrants[words.OURS])
    rows = prepared.test[prepared.labelled_test]
    write_report(project, Findings(evaluation, prepared, prepared.truth, answers, fake, rows, ours))
    values = [f"{words.title(each.name)} {words.value_of(evaluation, each)}" for each in evaluation.scores[:2]]
    say(f"evaluate: {words.metric_title(evaluation.metric)} {', '.join(values)}; {project.report.name} has the rest")
    return evaluation


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
    samples = resample(scorer, clean, knobs)
    scores = tuple(
        score_entrant(name, scorer.score(answers), samples[name], knobs.confidence) for name, answers in clean.items()
    )
    metric = deciding_metric(prepared, knobs)
    draft = Evaluation(
        task=prepared.contract.task,
        metric=metric,
        higher_is_better=higher_is_better(metric),
        test_rows=len(prepared.truth),
        test_rows_per_class=_per_class(prepared),
        scores=scores,
        differences=tuple(difference(metric, scores[0], other, samples, knobs.confidence) for other in scores[1:]),
        fake_probability={name: float(values.mean()) for name, values in fake.items() if len(values)},
        sentence="",
        confidence=knobs.confidence,
        resamples=knobs.resamples,
        left_out=dict(left_out),
    )
    unlabelled = int((~prepared.labelled).sum())
    return draft.model_copy(update={"sentence": words.sentence(draft, unlabelled), "headline": _headline(draft)})


def make_scorer(prepared: Prepared) -> Scorer:
    """The scorer of the task over the labelled test rows."""
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


def answers_of(predictions: Predictions) -> Array:
    """What is scored: the probabilities of a classification, the values of a regression."""
    return predictions.answer if predictions.probabilities is None else predictions.probabilities


def scores_csv(scores: tuple[ModelScore, ...]) -> str:
    """The scores in long form, one metric of one model a line, for `dvc plots` and for spreadsheets."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", "metric", "value", "low", "high"])
    for model in scores:
        for metric, score in model.metrics.items():
            writer.writerow([model.name, metric, *(repr(each) for each in (score.value, score.low, score.high))])
    return text.getvalue()


def _gather(
    project: Project, prepared: Prepared, ours: Artefact, twin: Artefact
) -> tuple[dict[str, Array], dict[str, Array], dict[str, str]]:
    """Every entrant's answers on the labelled test rows, P(fake) of the SSGAN, and who is left out."""
    on_test = ours.predict_columns(frame_columns(prepared.test, prepared.contract))
    known = prepared.labelled
    fake = {
        "labelled": ours.predict_encoded(prepared.x[known]).fake_probability,
        "unlabelled": ours.predict_encoded(prepared.x[~known]).fake_probability if not known.all() else np.empty(0),
        "test": on_test.fake_probability,
    }
    answers, left_out = stored_answers(project, prepared)
    alone = {words.ALONE: answers_of(ours.predict_columns_alone(prepared.test_columns()))} if ours.committee else {}
    entrants = {
        words.OURS: answers_of(on_test)[prepared.labelled_test],
        **alone,
        words.TWIN: answers_of(twin.predict_columns(prepared.test_columns())),
        **answers,
    }
    return entrants, fake, left_out


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
