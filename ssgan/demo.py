"""`ssgan demo`: the main job from beginning to end, on data that scikit-learn ships.

Every number it prints was measured in that run.
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from ssgan.console import table
from ssgan.contract import ROW_ID, Contract
from ssgan.errors import NotPromotedError, RejectedError
from ssgan.examples import truth_file
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.process import ask_directly, free_port
from ssgan.progress import step
from ssgan.project import Project, locked
from ssgan.records import Evaluation, GateDecision, Verdict
from ssgan.ship.serve import serving_champion
from ssgan.start import check_new, init
from ssgan.summary import show_models, show_next

REAL_RECORDS = 3  # asked of the service, and one that was put together from several


@dataclass(frozen=True)
class Asked:
    """A record that was sent, what it really is, and the answer."""

    name: str
    truth: str
    answer: dict[str, Any]


def demo(directory: Path, example: str, knobs: Sequence[str], console: Console) -> None:
    """Makes a project, takes three batches in, trains, judges, packages, promotes, serves and asks the service.

    Args:
        directory: Where; must not exist yet or be empty.
        example: "cancer", "diabetes" or "digits".
        knobs: Changes to params.yaml, `section.knob=value`.
        console: Where the summary goes.

    Raises:
        ProjectError: if the directory is not empty.
        NotPromotedError: if the gate refuses the model, so that there is nothing to serve.
    """
    start = time.perf_counter()
    check_new(directory)
    from flows.server import prefect_server

    with tempfile.TemporaryDirectory(prefix="ssgan-demo-") as logs, prefect_server(Path(logs) / "prefect.log") as wait:
        project = init(directory, example=example, knobs=knobs)
        with locked(project):
            with step("start Prefect"):
                from flows.intake import intake
                from flows.retrain import retrain

                wait()
            verdicts = [_take_in(intake, project, file) for file in sorted(project.incoming.iterdir())]
            decision: GateDecision = retrain(str(project.root))
    if decision.decision == "keep":
        raise NotPromotedError(decision.sentence)
    asked = _ask(project)
    honest = _honest_test(project)
    _summary(console, project, verdicts, asked, honest)
    console.print(f"{time.perf_counter() - start:.0f} s in all.\n", highlight=False)
    show_next(console, directory, project)


def _take_in(intake: Any, project: Project, file: Path) -> Verdict:
    """The verdict on a batch; a rejected one is part of the show."""
    from ssgan.intake.ingest import verdict_of

    try:
        verdict: Verdict = intake(str(project.root), str(file))
    except RejectedError:
        return verdict_of(project, file)
    return verdict


def _ask(project: Project) -> list[Asked]:
    """Starts the service, sends test records whose labels were never shown, and stops it."""
    contract = Artefact.load(project.model).contract
    rows, truth = _hidden_test_rows(project, contract)
    real = [_record(rows, contract, [row] * len(contract.features)) for row in range(REAL_RECORDS)]
    mixed = _record(rows, contract, [(7 * column) % len(rows) for column in range(len(contract.features))])
    names = [*rows[ROW_ID].iloc[:REAL_RECORDS], "columns of many"]
    truths = [*map(str, truth.iloc[:REAL_RECORDS]), "none"]
    records = real if contract.image else [*real, mixed]
    with step("serve") as current, serving_champion(project, free_port()) as service:
        start = time.perf_counter()
        answers = [_post(f"{service.url}/v1/predict", record) for record in records]
        current.result = f"{len(records)} requests answered, {(time.perf_counter() - start) / len(records):.3f} s each"
    return [Asked(*each) for each in zip(names, truths, answers, strict=False)]


def _hidden_test_rows(project: Project, contract: Contract) -> tuple[pd.DataFrame, pd.Series]:
    """The test rows that came without a label, and what their label was before it was taken away."""
    test = pd.read_parquet(project.prepared / "test.parquet")
    rows = test[test[contract.label.column].isna()].reset_index(drop=True)
    truth = pd.read_parquet(truth_file(project)).set_index(ROW_ID)["label"]
    return rows, truth.reindex(rows[ROW_ID]).reset_index(drop=True)


def _record(rows: pd.DataFrame, contract: Contract, chosen: Sequence[int]) -> dict[str, Any]:
    """A record as JSON has it, each column from the row chosen for it."""
    record = {}
    for name, row in zip(contract.features, chosen, strict=True):
        value = rows[name].iloc[row]
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        record[name] = value if isinstance(value, str) else None if pd.isna(value) else float(value)
    return record


def _post(url: str, content: object) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with ask_directly(request, timeout=30) as answer:
        said: dict[str, Any] = json.load(answer)
        return said


def _honest_test(project: Project) -> dict[str, float]:
    """The model and its twin on the test rows whose labels no stage has ever seen."""
    with step("honest test") as current:
        contract = Artefact.load(project.model).contract
        rows, truth = _hidden_test_rows(project, contract)
        columns = frame_columns(rows, contract)
        scores = {
            name: _score(contract, Artefact.load(folder).predict_columns(columns).answer, truth.to_numpy())
            for name, folder in (("SSGAN", project.model), ("twin", project.twin))
        }
        current.result = f"{len(rows)} test records whose labels were kept apart"
    return scores | {"rows": len(rows)}


def _score(contract: Contract, answer: np.ndarray, truth: np.ndarray) -> float:
    if contract.task == "regression":
        return float(np.sqrt(np.mean((answer - truth.astype(float)) ** 2)))
    return float(np.mean(answer == truth.astype(str)))


def _summary(
    console: Console, project: Project, verdicts: Sequence[Verdict], asked: Sequence[Asked], honest: dict[str, float]
) -> None:
    regression = Evaluation.read(project.evaluation).task == "regression"
    batches = [[v.manifest.source, v.decision, str(v.rows_accepted), str(v.rows_refused)] for v in verdicts]
    answers = [[each.name, each.truth, *_told(each.answer)] for each in asked]
    head = ["record", "truth", "answer", "" if regression else "probability", "P(fake)"]
    for part in ("", table("Batches", ["file", "verdict", "accepted", "refused"], batches), ""):
        console.print(part)
    show_models(console, project)
    for part in ("", table("What the service answered", head, answers), ""):
        console.print(part)
    metric = "RMSE" if regression else "accuracy"
    text = f"On {honest['rows']:.0f} test records whose labels were kept apart: {metric} {honest['SSGAN']:.3f} with the"
    text += f" unlabelled rows, {honest['twin']:.3f} for the same network without them."
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _told(answer: dict[str, Any]) -> list[str]:
    fake = f"{answer['fake_probability']:.3f}"
    if answer.get("probabilities"):
        return [answer["label"], f"{answer['probabilities'][answer['label']]:.3f}", fake]
    return [f"{answer['value']:.1f}", "", fake]
