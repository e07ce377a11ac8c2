"""The schedule: each new file in `data/incoming` is taken in, then a model is trained; one run at a time."""

from __future__ import annotations

import warnings
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.client.schemas.schedules import CronSchedule

from flows.intake import intake
from flows.retrain import retrain
from ssgan.contract import read_contract
from ssgan.errors import RejectedError, UserError
from ssgan.intake.ingest import waiting_files
from ssgan.project import locked, open_project


@flow(name="scheduled-retraining")
def whole_way(root: str) -> str:
    """Takes in every file that waits, then retrains; a file that is refused does not stop the others.

    Returns:
        What came out, in one sentence.
    """
    project = open_project(Path(root))
    with locked(project):
        for file in waiting_files(project):
            try:
                intake(root, str(file))
            except (RejectedError, UserError) as error:
                get_run_logger().warning("%s is not taken in: %s", file.name, error)
        return retrain(root).sentence


def check_cron(cron: str) -> None:
    """Checks the five fields.

    Raises:
        UserError: if they are none.
    """
    try:
        CronSchedule(cron=cron)
    except ValueError:
        raise UserError(
            f"--cron is {cron!r}: it must be five cron fields, such as '0 3 * * *' for 3:00 a day"
        ) from None


def serve_schedule(root: str, cron: str) -> None:
    """Serves the flow on its schedule until interrupted; a run that is due while one is under way waits for it."""
    warnings.filterwarnings("ignore", "coroutine 'Runner.astop'", RuntimeWarning)  # Prefect's own, when it is stopped
    name = read_contract(open_project(Path(root)).contract).name
    whole_way.serve(name=name, cron=cron, limit=1, parameters={"root": root}, print_starting_message=False)
