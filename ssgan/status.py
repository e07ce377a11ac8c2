"""`ssgan status`: where a project stands."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ssgan.contract import read_contract
from ssgan.intake.version import current_version, out_of_date, require_repository
from ssgan.project import Project, open_project
from ssgan.records import Evaluation, GateDecision, Verdict
from ssgan.ship.champion import changed_by_hand, read_champion


def status(project: Project) -> dict[str, Any]:
    """Data version, batches, stages to be computed, last evaluation, gate and champion, as plain values."""
    version = current_version(project)
    champion = read_champion(project)
    return {
        "project": read_contract(project.contract).name,
        "data": version.model_dump() if version else None,
        "batches": [_batch(Verdict.read(path)) for path in sorted(project.batches.glob("*.json"))],
        "out_of_date": out_of_date(project),
        "evaluation": Evaluation.read(project.evaluation).sentence if project.evaluation.is_file() else None,
        "gate": _gate(project),
        "champion": champion.model_dump() if champion else None,
    }


def _gate(project: Project) -> str | None:
    if not project.gate.is_file():
        return None
    decision = GateDecision.read(project.gate)
    since = " Since then the model in service was changed by hand." if changed_by_hand(project, decision) else ""
    return decision.sentence + since


def _batch(verdict: Verdict) -> dict[str, Any]:
    return {
        "batch": verdict.manifest.batch,
        "source": verdict.manifest.source,
        "seen_at": verdict.manifest.seen_at,
        "decision": verdict.decision,
        "accepted": verdict.rows_accepted,
        "refused": verdict.rows_refused,
        "sentence": verdict.sentence,
    }


def show(root: Path, as_json: bool) -> None:
    """Prints the status, as JSON or for a person."""
    project = open_project(root)
    require_repository(project)
    found = status(project)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    from rich.console import Console
    from rich.text import Text

    from ssgan.console import counted, table

    console = Console()
    batches = sorted(found["batches"], key=lambda batch: str(batch["seen_at"]))
    rows = [[b["source"], b["decision"], str(b["accepted"]), str(b["refused"])] for b in batches]
    if rows:
        console.print(table(f"Batches of {found['project']}", ["file", "verdict", "accepted", "refused"], rows))
        console.print()
    data, champion = found["data"], found["champion"]
    said = {
        "data": f"{data['name']}, {counted(data['rows'], data['labelled'])}" if data else "nothing accepted yet",
        "to be computed": ", ".join(found["out_of_date"]) or "nothing",
        "evaluation": found["evaluation"] or "none yet",
        "gate": found["gate"] or "none yet",
        "champion": champion["tag"] if champion else "none yet",
    }
    for name, text in said.items():
        console.print(Text.assemble((name, "bold"), f": {text}"), soft_wrap=True)
