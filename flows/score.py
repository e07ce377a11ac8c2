"""Flow `score`: the champion answers a file of records, or a folder of such files."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.logs import logged
from ssgan.progress import step
from ssgan.project import open_project
from ssgan.ship.score import Bad
from ssgan.ship.score import score as score_file


@task(cache_policy=NO_CACHE, task_run_name="score {file}")
def answer(root: str, file: str, out: str, bad: Bad) -> int:
    """Scores a file or a folder; returns the number of rows that were answered."""
    with logged(), step(f"score {Path(file).name}") as current:
        done = score_file(open_project(Path(root)), Path(file), Path(out), bad)
        current.result = done.sentence(Path(out))
        return done.answered


@flow(name="score", flow_run_name="{file}")
def score(root: str, file: str, out: str, bad: Bad = "mark") -> int:
    """Scores a CSV or Parquet file, or a folder of them, into a Parquet file.

    Args:
        root: Directory of the project.
        file: What is to be answered.
        out: Where the answers go.
        bad: What becomes of rows that the contract forbids: `mark`, `quarantine` or `fail`.

    Returns:
        The number of rows answered.
    """
    return answer(root, file, out, bad)
