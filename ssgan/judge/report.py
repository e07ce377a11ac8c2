"""`reports/report.html`: one file that answers the user's question in its first line and opens without a network."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from ssgan.judge import plots, words
from ssgan.judge.prepared import Findings
from ssgan.judge.style import CSS
from ssgan.project import Project
from ssgan.records import Difference, Evaluation, ModelScore, RunRecord, Score, write_atomically

Cells = Sequence[str]


def write_report(project: Project, findings: Findings) -> None:
    """Writes the report; the same findings give the same bytes."""
    run = RunRecord.read(project.model / "run.json")
    write_atomically(project.report, render(findings, run, read_history(project)))


def read_history(project: Project) -> dict[str, list[float]]:
    """The numeric columns of the training history, the clock first; empty where there is none."""
    path = project.model / "history.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    names = list(rows[0]) if rows else []
    table = {name: [_float(row[name]) for row in rows] for name in names}
    return {name: values for name, values in table.items() if any(math.isfinite(value) for value in values)}


def render(findings: Findings, run: RunRecord, history: Mapping[str, Sequence[float]]) -> str:
    """The page as text."""
    evaluation, contract = findings.evaluation, findings.prepared.contract
    sections = [
        _opening(findings),
        _models(evaluation),
        _differences(evaluation),
        _answers(findings),
        _fakes(findings),
        _history(history),
        _facts(findings, run),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(contract.name)}: did the unlabelled rows help?</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{''.join(sections).replace(' %', '&nbsp;%')}</main>\n</body>\n</html>\n"
    )


def _opening(findings: Findings) -> str:
    evaluation = findings.evaluation
    metric = evaluation.metric
    ours, best = evaluation.score(words.OURS), words.best_baseline(evaluation)
    twin = next(each for each in evaluation.differences if each.baseline == words.TWIN)
    tiles = [
        (words.metric_title(metric), words.value_of(evaluation, ours), "SSGAN"),
        ("gain", words.signed(twin.value), "over the supervised twin"),
        ("ahead of the twin in", f"{100 * twin.win_probability:.0f} %", "of resamples"),
    ]
    if best is not None:
        tiles.append(("best baseline", words.value_of(evaluation, best), words.title(best.name)))
    shown = "".join(
        f"<li><span>{escape(above)}</span><b>{value}</b><span>{escape(below)}</span></li>"
        for above, value, below in tiles
    )
    name = escape(findings.prepared.contract.name)
    verdict, _, why = escape(evaluation.sentence).partition(": ")
    return (
        f'<header>\n<p class="kicker">{name} · {evaluation.task}</p>\n<h1>{verdict}: <span>{why}</span></h1>\n'
        f'<ul class="tiles">{shown}</ul>\n</header>\n'
    )


def _models(evaluation: Evaluation) -> str:
    metric = evaluation.metric
    named = list(evaluation.scores[0].metrics)
    named.sort(key=lambda each: each != metric)  # the one that decides comes first
    level = f"{100 * evaluation.confidence:g} %"
    rows = [[_name(model.name), *(_score(model, each) for each in named)] for model in evaluation.scores]
    head = ["model", *(f"{words.metric_title(each)} {'↑' if _up(each) else '↓'}" for each in named)]
    note = (
        f"{evaluation.test_rows} labelled test rows that no training saw; bars and small numbers are {level} bootstrap "
        f"intervals over {evaluation.resamples} resamples, the same ones for every model. "
        "↑ higher is better, ↓ lower is better."
    )
    alt = "Scores with intervals: " + ", ".join(
        f"{words.title(model.name)} {words.value_of(evaluation, model)}" for model in evaluation.scores
    )
    body = _figure(plots.scores(metric, evaluation.scores), alt, note) + _table(head, rows) + _left_out(evaluation)
    return _section("The model against the baselines", body)


def _left_out(evaluation: Evaluation) -> str:
    if not evaluation.left_out:
        return ""
    items = "".join(f"<li>{escape(words.title(name))}: {escape(why)}</li>" for name, why in evaluation.left_out.items())
    return f"<p>Left out, because they could not learn from these rows:</p><ul>{items}</ul>\n"


def _differences(evaluation: Evaluation) -> str:
    found = evaluation.differences
    rows = [_difference(each) for each in found]
    alt = "Gain of the SSGAN over: " + ", ".join(
        f"{words.title(each.baseline)} {words.signed(each.value)}" for each in found
    )
    note = (
        "Model by model on the same resampled rows, which says more than two intervals side by side. "
        "The supervised twin is the ablation: the same network and labels, without the real/fake term."
    )
    head = ["against", "gain", f"{100 * evaluation.confidence:g} % interval", "SSGAN ahead"]
    body = _figure(plots.differences(evaluation.metric, found), alt, note) + _table(head, rows)
    return _section("How sure is the difference", body)


def _difference(each: Difference) -> Cells:
    span = f"{words.signed(each.low)} to {words.signed(each.high)}"
    return [_name(each.baseline), words.signed(each.value), span, f"{100 * each.win_probability:.0f} %"]


def _answers(findings: Findings) -> str:
    prepared, answers = findings.prepared, findings.answers
    contract = prepared.contract
    rows = findings.evaluation.test_rows
    if contract.classes:
        guess = answers.argmax(axis=1)
        wrong = int((guess != prepared.truth).sum())
        alt = f"Confusion matrix of the SSGAN: {rows - wrong} of {rows} test rows on the diagonal"
        note = "Rows of the test set by true and guessed class; the shade is the share of the true class."
        figure = plots.confusion(prepared.truth, guess, contract.classes)
        return _section("What is mixed up", _figure(figure, alt, note))
    unit = getattr(contract.label, "unit", None)
    label = contract.label.column + (f" ({unit})" if unit else "")
    alt = f"Answered against true {label} for {rows} test rows"
    note = "A point per labelled test row; on the line the SSGAN is exactly right."
    return _section("Answered and true", _figure(plots.predicted(prepared.truth, answers, label), alt, note))


def _fakes(findings: Findings) -> str:
    means = findings.evaluation.fake_probability
    alt = "Histograms of P(fake), mean: " + ", ".join(f"{part} {mean:.3f}" for part, mean in means.items())
    note = (
        "What the discriminator thinks of real rows. Near 0: like the training data. "
        "Test rows far to the right of the training rows would be strangers to the model. Dashed: the mean."
    )
    return _section("Probability of being fake", _figure(plots.fake_histogram(findings.fake), alt, note))


def _history(history: Mapping[str, Sequence[float]]) -> str:
    if len(history) < 2 or len(next(iter(history.values()))) < 2:
        return ""
    clock, *curves = history
    alt = f"Training history over {clock}: {', '.join(curves)}"
    note = "One panel per recorded number, all on one clock."
    return _section("Training", _figure(plots.history(history), alt, note))


def _facts(findings: Findings, run: RunRecord) -> str:
    prepared, evaluation = findings.prepared, findings.evaluation
    known = int(prepared.labelled.sum())
    rows = [
        ["training rows", f"{len(prepared.y)} ({known} labelled, {len(prepared.y) - known} unlabelled)"],
        ["test rows", f"{len(prepared.test)} ({evaluation.test_rows} labelled)"],
        ["fakes", run.fakes],
        ["seed of the training", str(run.seed)],
        ["backend, precision", f"{run.backend}, {run.precision}"],
        ["Keras against ONNX", f"{run.parity:.1e} at most"],
        ["data", f"<code>{run.data_hash[:12]}</code>"],
        ["model", f"<code>{evaluation.model[:12]}</code>"],
    ]
    facts = _table(["fact", "value"], [[name, value] for name, value in rows])
    labels = _table(
        ["label", "training rows", "test rows"],
        [
            [escape(name), str(count), str(evaluation.test_rows_per_class.get(name, evaluation.test_rows))]
            for name, count in prepared.labels.items()
        ],
    )
    knobs = _table(["knob", "value"], [[escape(name), escape(str(value))] for name, value in run.knobs.items()])
    warned = "".join(f"<p><b>The training warns:</b> {escape(each)}.</p>\n" for each in run.warnings)
    limits = (
        "<p>What no number here can tell: how the model does on classes that never had a label, on values outside the "
        "range of the labelled rows, and on data that changes after today.</p>\n"
    )
    folded = f"<details><summary>Knobs of the training</summary>{knobs}</details>\n" if run.knobs else ""
    return _section("Data and run", f'<div class="facts">{facts}</div>{labels}{warned}{folded}{limits}')


def _section(heading: str, body: str) -> str:
    return f"<section>\n<h2>{heading}</h2>\n{body}</section>\n"


def _figure(svg: str, alt: str, note: str) -> str:
    return f'<figure><div role="img" aria-label="{escape(alt)}">{svg}</div><figcaption>{note}</figcaption></figure>\n'


def _table(head: Iterable[str], rows: Iterable[Cells]) -> str:
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>\n'
        for first, *rest in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n{lines}</tbody></table></div>\n'


def _name(model: str) -> str:
    return f'<i style="background:{plots.colour(model)}"></i>{escape(words.title(model))}'


def _score(model: ModelScore, metric: str) -> str:
    score: Score | None = model.metrics.get(metric)
    if score is None:
        return ""
    return f"{words.number(score.value)}<small>{words.number(score.low)} to {words.number(score.high)}</small>"


def _up(metric: str) -> bool:
    return words.runs(metric).startswith("higher")


def _float(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
