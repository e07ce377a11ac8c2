"""The schedule: each new file in `data/incoming` is taken in, then a model is trained; one run at a time."""

from __future__ import annotations

import warnings
from pathlib import Path

from prefect import flow

from flows.intake import intake
from flows.retrain import retrain
from ssgan.errors import RejectedError, UserError
from ssgan.intake.ingest import waiting_files
from ssgan.progress import say
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
                say(f"{file.name}: {error}")
        return retrain(root).sentence


def serve_schedule(root: str, cron: str) -> None:
    """Serves the flow on its schedule until interrupted; a run that is due while one is under way waits for it."""
    warnings.filterwarnings("ignore", "coroutine 'Runner.astop'", RuntimeWarning)  # Prefect's own, when it is stopped
    whole_way.serve(name="retraining", cron=cron, limit=1, parameters={"root": root}, print_starting_message=False)
