"""Whether a run would find anything to do: asked without Prefect, whose start takes longer than the answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ssgan.config import read_params
from ssgan.intake.ingest import accepted_before
from ssgan.intake.version import is_committed, out_of_date
from ssgan.judge.words import OURS
from ssgan.progress import say, step
from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateDecision
from ssgan.ship.champion import read_champion

_PUSHED = "pushed"  # in the runtime directory: what was at the DVC remote when a push ended


def nothing_to_do(project: Project, files: Sequence[Path] = ()) -> bool:
    """Whether every file was accepted before, no stage is out of date, the model that came out is in service, and all
    of it is committed and pushed. The caller holds the project's lock."""
    if not all(accepted_before(project, file) for file in files):
        return False
    champion = read_champion(project)
    if champion is None or not project.evaluation.is_file() or not project.gate.is_file():
        return False
    decision = GateDecision.read(project.gate)
    judged = {Evaluation.read(project.evaluation).model, decision.challenger}  # or the winner's
    baseline_may_win = read_params(project.params).gate.serve == "winner" and decision.entrant == OURS
    if champion.digest not in judged or baseline_may_win:
        return False
    kept = [*kept_of_training(project), *kept_of_promotion(project, champion)]
    if not is_committed(project, kept) or not _is_pushed(project):
        say("the last run may have ended before everything was committed and pushed; going through the stages again")
        return False
    with step("look for changes") as current:
        stale = out_of_date(project)
        current.result = f"{', '.join(stale)} to be computed" if stale else f"none; {champion.tag} stays in service"
    return not stale


def kept_of_training(project: Project) -> list[Path]:
    """What is committed when the gate has spoken: what was asked for, and what came of it."""
    inputs = [project.params, project.stages, project.contract, project.root / "dvc.lock"]
    reports = [project.evaluation, project.reports / "scores.csv", project.report, project.card, project.figures]
    return [*inputs, *reports, project.gate, project.gate_page, project.gate_card, project.times]


def kept_of_promotion(project: Project, champion: Champion) -> list[Path]:
    """What is committed when a model goes into service."""
    return [project.champion, project.champions, project.judged_of(champion.digest)]


def note_pushed(project: Project) -> None:
    """Notes that the content is at the DVC remote; called when a push has ended well."""
    project.runtime.mkdir(exist_ok=True)
    (project.runtime / _PUSHED).write_text(_to_push(project), encoding="ascii")


def _is_pushed(project: Project) -> bool:
    """Whether a push has ended well since the content or the remote was last another."""
    noted = project.runtime / _PUSHED
    return noted.is_file() and noted.read_text(encoding="ascii", errors="replace") == _to_push(project)


def _to_push(project: Project) -> str:
    """The digest of what names the content of the stages, and of where it goes."""
    files = (project.root / "dvc.lock", *(project.root / ".dvc" / name for name in ("config", "config.local")))
    found = [file.read_bytes() if file.is_file() else b"" for file in files]
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in found)).hexdigest()
