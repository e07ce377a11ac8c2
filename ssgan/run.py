"""`ssgan run` and `ssgan schedule`: the flows, with a Prefect server for as long as they last."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ssgan.config import read_params
from ssgan.contract import read_contract
from ssgan.errors import DataError, NotPromotedError
from ssgan.intake.ingest import accepted_before
from ssgan.intake.read import check_file
from ssgan.intake.version import out_of_date, require_repository
from ssgan.judge.gate import is_new
from ssgan.judge.words import OURS
from ssgan.progress import step
from ssgan.project import Project, locked, open_project
from ssgan.records import Evaluation, GateDecision
from ssgan.ship.champion import read_champion
from ssgan.summary import show_models, show_next


def run(root: Path, files: Sequence[Path], force: str | None, console: Console) -> None:
    """The whole way: intake of each file, then the stages, the gate, the Bento and promotion.

    Args:
        root: Directory of the project.
        files: CSV or Parquet files; none means: retrain on what was accepted.
        force: A reason to promote the challenger whatever the gate says.
        console: Where the summary goes.

    Raises:
        UserError: for a bad file, knob or argument, or if another run is under way.
        RejectedError: if a batch was refused as a whole; nothing is trained then.
        NotPromotedError: if the gate kept the champion.
    """
    project = open_project(root)
    check(project, files)
    with locked(project):
        if force is None and _nothing_to_do(project, files):
            return
        from flows.server import prefect_server

        with prefect_server(project.runtime / "prefect.log") as wait:
            with step("start Prefect"):
                from flows.intake import intake
                from flows.retrain import retrain

                wait()
            for file in files:
                intake(str(project.root), str(file.resolve()))
            decision = retrain(str(project.root), force)
    console.print("")
    show_models(console, project)
    if decision.decision == "keep" and is_new(decision):
        raise NotPromotedError(decision.sentence)
    show_next(console, root, project)


def schedule(root: Path, cron: str) -> None:
    """Serves the scheduled flow until interrupted, with a Prefect server of its own where none is set."""
    project = open_project(root)
    check(project, None)
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "INFO"
    from flows.server import prefect_server

    with prefect_server(project.runtime / "prefect.log") as wait:
        from flows.deployments import check_cron, serve_schedule

        check_cron(cron)
        url = wait()
        sys.stdout.write(f"retraining {project.root} on {cron!r}; runs are listed at {url.removesuffix('/api')}\n")
        sys.stdout.flush()
        serve_schedule(str(project.root), cron)


def check(project: Project, files: Sequence[Path] | None) -> None:
    """What can be said before seconds are spent on starting anything; None: the files come later."""
    require_repository(project)
    read_params(project.params)
    read_contract(project.contract)
    if files is not None and not files and not any(project.accepted.glob("*.parquet")):
        raise DataError(f"nothing was accepted yet: name a file, `ssgan run -C {project.root.name} FILE`")
    for file in files or ():
        check_file(file)


def _nothing_to_do(project: Project, files: Sequence[Path]) -> bool:
    """Whether every file was accepted before, no stage is out of date, and the model that came out is in service."""
    if not all(accepted_before(project, file) for file in files):
        return False
    champion = read_champion(project)
    if champion is None or not project.evaluation.is_file() or not project.gate.is_file():
        return False
    with step("look for changes") as current:
        stale = out_of_date(project)
        current.result = f"{', '.join(stale)} to be computed" if stale else f"none; {champion.tag} stays in service"
    decision = GateDecision.read(project.gate)
    judged = {Evaluation.read(project.evaluation).model, decision.challenger}  # or the winner's
    baseline_may_win = read_params(project.params).gate.serve == "winner" and decision.entrant == OURS
    return not stale and champion.digest in judged and not baseline_may_win
