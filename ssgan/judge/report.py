"""The report: one page that answers the user's question in its first line, the same as a card, and every figure's data.

`evaluate` writes all of it but for the decision, which comes later; `gate` writes page and card anew with the decision
in them, beside the first ones, because those are what DVC has on record.
"""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssgan.judge import card, page, plots, report_facts, report_rows, report_scores, report_training, words
from ssgan.judge.document import Document
from ssgan.judge.feature_map import FeatureMap, feature_map, has_features
from ssgan.judge.labels import ask, requests
from ssgan.judge.metrics import Array
from ssgan.judge.prepared import Findings
from ssgan.project import Project
from ssgan.records import GateDecision, RunRecord, write_atomically

ASKED = 20  # rows that are ringed on the map
NAMED = 5  # of these, with their reasons in a table
PLOTTED = {  # figures that dvc.yaml plots -> the columns that it asks for
    "scores": "model,value",
    "curve": "labels,value",
    "calibration": "sure,right",
    "confusion": "true,guessed",
    "residuals": "true,answered",
    "importance": "column,loss",
}

History = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Beside:
    """What the report looks at besides the findings; all of it may be missing."""

    fakes: Array | None = None  # encoded sample of what the discriminator learned from
    map: FeatureMap | None = None
    reasons: tuple[tuple[str, str], ...] = ()  # (id, why it should be labelled)


NOTHING = Beside()


def write_report(project: Project, findings: Findings) -> None:
    """Writes the page, the card and the figures' data; the same findings give the same bytes."""
    run = RunRecord.read(project.model / "run.json")
    document = compose(findings, run, read_history(project), look(project, findings))
    _write_figures(project.figures, document)
    write_atomically(project.card, card.card(document, findings))
    write_atomically(project.report, page.page(document))


def _write_figures(folder: Path, document: Document) -> None:
    """Each figure as SVG and its data as CSV; where DVC looks for one that is not there, only the names of columns."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, head in PLOTTED.items():
        write_atomically(folder / f"{name}.csv", head + "\n")
    for figure in document.figures():
        write_atomically(folder / f"{figure.name}.csv", figure.csv())
        write_atomically(folder / f"{figure.name}.svg", plots.alone(figure.svg))


def compose(findings: Findings, run: RunRecord, history: History, beside: Beside = NOTHING) -> Document:
    """Everything that the report says, in its order."""
    evaluation, prepared = findings.evaluation, findings.prepared
    contract, artefact = prepared.contract, findings.artefact
    sections = (
        report_scores.gate(),
        report_scores.models(evaluation, words.unit(contract)),
        report_scores.curve(evaluation),
        report_rows.calibration(evaluation, artefact.calibration, words.unit(contract)),
        report_rows.answers(evaluation, contract, findings.truth, findings.answers, artefact.calibration.half_width),
        report_rows.fakes(evaluation, findings.fake),
        report_training.generated(run, artefact.encoder, prepared.x, beside.fakes),
        report_training.history(history),
        report_training.feature_map(beside.map, contract, beside.reasons),
        report_rows.importance(evaluation),
        report_rows.slices(evaluation),
        report_facts.lineage(evaluation, prepared, run),
        report_facts.limits(evaluation, prepared, artefact),
    )
    return Document(
        title=f"{contract.name}: did the unlabelled rows help?",
        kicker=f"{contract.name} · {evaluation.task}",
        sentence=evaluation.sentence,
        tiles=report_scores.tiles(evaluation),
        sections=sections,
    )


def look(project: Project, findings: Findings) -> Beside:
    """Reads the fakes, chooses what to label next, and draws the map."""
    prepared, artefact = findings.prepared, findings.artefact
    fakes = None
    if project.fakes.is_file():
        with np.load(project.fakes, allow_pickle=False) as stored:
            fakes = stored["x"]
    wanted: Array = np.empty(0, np.int64)
    reasons: tuple[tuple[str, str], ...] = ()
    if not prepared.labelled.all():
        asked = ask(prepared, artefact, ASKED, project.folds)
        wanted = asked.places
        reasons = tuple((each.id, each.reason) for each in requests(asked, prepared, artefact)[:NAMED])
    drawn = feature_map(artefact, prepared.x, prepared.y, wanted) if has_features(artefact) else None
    return Beside(fakes, drawn, reasons)


def add_decision(project: Project, decision: GateDecision) -> None:
    """Writes `gate.html` and `gate.md`: report and card with the gate's decision and the version of the data."""
    from ssgan.intake.version import trained_version

    data = trained_version(project) if (project.root / ".git").exists() else None
    parts = {
        "verdict": report_scores.verdict(decision),
        "gate": report_scores.gate_card(decision),
        "lineage": report_facts.versions(data),
    }
    for source, target, fill in (
        (project.report, project.gate_page, page.fill),
        (project.card, project.gate_card, card.fill),
    ):
        if not source.is_file():
            continue
        text = source.read_text(encoding="utf-8")
        for name, blocks in parts.items():
            text = fill(text, name, blocks)
        write_atomically(target, text)


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


def _float(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
