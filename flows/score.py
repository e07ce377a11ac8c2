"""Flow `score`: the champion answers a file of records."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from flows.logs import logged
from ssgan.progress import step
from ssgan.project import open_project
from ssgan.ship.score import score as score_file


@task(cache_policy=NO_CACHE, task_run_name="score {file}")
def answer(root: str, file: str, out: str) -> int:
    """Scores one file; returns the number of rows."""
    with logged(), step(f"score {Path(file).name}") as current:
        rows = score_file(open_project(Path(root)), Path(file), Path(out))
        current.result = f"{rows} rows -> {out}"
        return rows


@flow(name="score", flow_run_name="{file}")
def score(root: str, file: str, out: str) -> int:
    """Scores a CSV or Parquet file into a Parquet file.

    Returns:
        The number of rows answered.
    """
    return answer(root, file, out)
