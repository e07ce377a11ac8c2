"""The files of a project's data: one verdict per batch, and Parquet that is there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.errors import ProjectError
from ssgan.project import Project
from ssgan.records import Verdict


def read_verdicts(project: Project) -> list[Verdict]:
    """Every verdict, oldest first."""
    verdicts = [Verdict.read(path) for path in project.batches.glob("*.json")]
    return sorted(verdicts, key=lambda verdict: (verdict.manifest.seen_at, verdict.manifest.batch))


def accepted_verdicts(project: Project) -> list[Verdict]:
    """The verdicts of the batches that are in the data, oldest first."""
    return [verdict for verdict in read_verdicts(project) if verdict.accepted_file is not None]


def verdict_file(project: Project, batch: str) -> Path:
    """Where the verdict about a batch lies."""
    return project.batches / f"{batch}.json"


def write_table(project: Project, table: pa.Table, path: Path) -> None:
    """Writes Parquet in one step; the same table gives the same bytes.

    The file grows outside the data directories, because DVC takes these as they are.
    """
    project.runtime.mkdir(exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = project.runtime / f"{path.name}.{os.getpid()}"
    try:
        with fresh.open("wb") as handle:
            pq.write_table(table, handle, compression="zstd", version="2.6")
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def require_complete(project: Project, verdicts: Sequence[Verdict]) -> None:
    """Makes sure that the content of every accepted batch is here, as in a clone it may not be.

    Raises:
        ProjectError: naming the first file that is absent.
    """
    for verdict in verdicts:
        for name in (verdict.accepted_file, verdict.quarantine_file):
            if name is not None and not (project.root / name).is_file():
                raise ProjectError(f"{name} belongs to the data and is not here; fetch it with `dvc pull`")


def remove_strays(project: Project, verdicts: Sequence[Verdict]) -> None:
    """Removes files that no verdict names: what an intake left that was interrupted before it had decided."""
    named = {name for verdict in verdicts for name in (verdict.accepted_file, verdict.quarantine_file)}
    for folder in (project.accepted, project.quarantine):
        for path in folder.glob("*.parquet"):
            if path.relative_to(project.root).as_posix() not in named:
                path.unlink()
