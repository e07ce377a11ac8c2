"""The schedule: each new file in `data/incoming` is taken in, then a model is trained; one run at a time."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import signal
import sys
import warnings
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from prefect import State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.schedules import Cron
from prefect.server.schemas.schedules import CronSchedule
from prefect.states import Failed

from flows.intake import intake
from flows.logs import EXPECTED, in_words, logged, without_tracebacks
from flows.naming import deployment_name, remove_former
from flows.processes import end_children, end_with_parent, is_a_process_of_its_own
from flows.retrain import retrain
from flows.standing import nothing_to_do
from flows.under_way import hold, tell, tell_of_ended
from ssgan.errors import DataError, RejectedError, UserError
from ssgan.intake.ingest import waiting_files
from ssgan.intake.wait import locked_patiently
from ssgan.project import Project, open_project, writing

__all__ = ["check_cron", "deployment_name", "local_zone", "next_run", "serve_schedule", "whole_way"]
SCHEDULED = "scheduled-retraining"  # the flow's name
PATIENCE = 3600.0  # seconds for a command that has the project when a run is due: a training may take long
_FIELDS = 5
_LOCALTIME = Path("/etc/localtime")


@flow(name=SCHEDULED)
def whole_way(root: str) -> str | State[str]:
    """Takes in every file that waits, then retrains; a file that is refused, or that fails, does not stop the rest.

    Returns:
        What came out, in one sentence; where something has failed for another reason than that a file was refused, a
        failed state that says what. Faults of ours are raised.
    """
    run = UUID(flow_run.id)
    end_with_parent(lambda: tell(run))
    project, failures, sentence = Project(Path(root)), dict[str, list[str]](), ""
    with without_tracebacks(), _noting(failures, project, "the start"):
        open_project(project.root)
        if is_a_process_of_its_own():
            hold(project, run)
        with locked_patiently(project, PATIENCE):
            with logged():
                waiting = waiting_files(project)
            for file in waiting:
                with _noting(failures, project, file.name):
                    _take_in(root, file)
            with _noting(failures, project, "the training"):
                due = not nothing_to_do(project)
                sentence = retrain(root).sentence if due else "nothing is new; the model in service stays"
    told = [f"failed at {', '.join(steps)}: {reason}" for reason, steps in failures.items()]
    for each in told:
        get_run_logger().error(each)
    return Failed(message="; ".join(told)) if told else sentence


def _take_in(root: str, file: Path) -> None:
    try:
        intake(root, str(file))
    except (RejectedError, DataError) as error:
        get_run_logger().warning("%s is not taken in: %s", file.name, in_words(error))


@contextlib.contextmanager
def _noting(failures: dict[str, list[str]], project: Project, step: str) -> Iterator[None]:
    """What fails for a reason that is expected is noted under that reason, which several steps may share."""
    try:
        with writing(project):
            yield
    except EXPECTED as error:
        failures.setdefault(in_words(error), []).append(step)


def check_cron(cron: str) -> None:
    """Checks the five fields.

    Raises:
        UserError: if they are none, or name no day that ever comes.
    """
    try:
        if len(cron.split()) != _FIELDS:  # Prefect also takes six, and words such as @daily
            raise ValueError
        next_run(cron, "UTC")
    except ValueError:
        raise UserError(
            f"--cron is {cron!r}: it must be five cron fields that are due some day, such as '0 3 * * *' for 3:00 a day"
        ) from None


def next_run(cron: str, zone: str) -> datetime.datetime:
    """When the schedule is due next, as Prefect's server reckons it, by the clock of a time zone.

    Raises:
        ValueError: if it is no cron schedule, or is never due.
    """
    due: datetime.datetime = asyncio.run(CronSchedule(cron=cron, timezone=zone).get_dates(n=1))[0]
    return due


def local_zone() -> str:
    """The IANA name of this machine's time zone, which Prefect needs: by TZ, else by /etc/localtime; else UTC."""
    given = os.environ.get("TZ")
    place = str(_LOCALTIME.resolve()) if given is None else given.removeprefix(":")
    name = place.rpartition("zoneinfo/")[2]
    return name if name in zoneinfo.available_timezones() else "UTC"


def serve_schedule(project: Project, name: str, cron: str, zone: str) -> None:
    """Serves the flow on its schedule until interrupted; a run that is due while one is under way waits for it.

    Args:
        project: What is retrained.
        name: Of the deployment.
        cron: When, as five cron fields.
        zone: By whose clock, as an IANA name.

    Raises:
        KeyboardInterrupt: when Ctrl-C has ended it.
        SystemExit: when a signal has.
    """
    warnings.filterwarnings("ignore", "coroutine 'Runner.astop'", RuntimeWarning)  # Prefect's own, when it is stopped
    remove_former(project, SCHEDULED, name)
    tell_of_ended(project)
    when, about = Cron(cron, timezone=zone), {"root": str(project.root)}
    try:
        whole_way.serve(name=name, schedule=when, limit=1, parameters=about, print_starting_message=False)
    except SystemExit as ended:  # with 0 from Prefect, for whom SIGTERM is a good end
        sys.exit(ended.code or 128 + signal.SIGTERM)
    finally:
        end_children()
        tell_of_ended(project)
    raise KeyboardInterrupt  # Prefect keeps it to itself, and there is no other way out
