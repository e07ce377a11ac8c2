"""`ssgan run` and `ssgan schedule`: the flows, with a Prefect server for as long as they last."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ssgan.config import read_params
from ssgan.console import typed
from ssgan.contract import read_contract
from ssgan.errors import DataError, NotPromotedError
from ssgan.intake.read import check_file
from ssgan.intake.version import require_repository
from ssgan.judge.gate import is_new, require_reason
from ssgan.progress import step
from ssgan.project import Project, locked, open_project
from ssgan.summary import show_kept, show_models, show_next


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
    require_reason(force)
    with locked(project):
        from flows.standing import nothing_to_do

        if force is None and nothing_to_do(project, files):
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
        show_kept(console, root, project)
        raise NotPromotedError(decision.sentence)
    show_next(console, root, project)


def schedule(root: Path, cron: str) -> None:
    """Serves the scheduled flow until interrupted, with a Prefect server of its own where none is set.

    Args:
        root: Directory of the project.
        cron: When, as five cron fields.

    Raises:
        UserError: if the directory is no project that can run, or the schedule is none; no server is started then.
        ToolError: if no Prefect server answers.
    """
    project = open_project(root)
    check(project, None)
    os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "INFO"
    from flows.server import prefect_home, prefect_server

    with prefect_home(project.runtime):
        from flows.deployments import SCHEDULED, check_cron, deployment_name, local_zone, next_run, serve_schedule

        check_cron(cron)
        zone, name = local_zone(), deployment_name(project)
        due = next_run(cron, zone)
        with prefect_server(project.runtime / "prefect.log") as wait:
            url = wait()
            sys.stdout.write(
                f"retraining {project.root} on {cron!r}, by the clock of {zone}: next on {due:%Y-%m-%d at %H:%M}; "
                f"runs are listed at {url.removesuffix('/api')}, deployment {SCHEDULED}/{name}\n"
            )
            sys.stdout.flush()
            serve_schedule(project, name, cron, zone)


def check(project: Project, files: Sequence[Path] | None) -> None:
    """What can be said before seconds are spent on starting anything; None: the files come later."""
    require_repository(project)
    read_params(project.params)
    read_contract(project.contract)
    if files is not None and not files and not any(project.accepted.glob("*.parquet")):
        raise DataError(f"nothing was accepted yet: name a file, `{typed('run', '-C', project.root, 'FILE')}`")
    for file in files or ():
        check_file(file)
