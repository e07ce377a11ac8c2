"""The files of a project's data: one verdict per batch, and Parquet that is there as a whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.errors import ProjectError
from ssgan.project import Project
from ssgan.records import Verdict


def read_verdicts(project: Project) -> list[Verdict]:
    """Every verdict, in the order in which batches became data."""
    verdicts = [Verdict.read(path) for path in project.batches.glob("*.json")]
    return sorted(verdicts, key=lambda each: (each.number, each.manifest.seen_at, each.manifest.batch))


def accepted_verdicts(project: Project) -> list[Verdict]:
    """The verdicts of the batches that are in the data, in their order."""
    return [verdict for verdict in read_verdicts(project) if verdict.accepted_file is not None]


def current_files(verdicts: Sequence[Verdict]) -> list[str]:
    """The files that make up the data after these verdicts, relative to the project; accepted and quarantined ones."""
    files: list[str] = []
    for verdict in verdicts:
        files = [verdict.rewritten.get(name, name) for name in files]
        files += [name for name in (verdict.accepted_file, verdict.quarantine_file) if name is not None]
    return [name for name in files if name]


def accepted_files(project: Project) -> list[Path]:
    """The Parquet files of the accepted data, in the order of their batches."""
    names = current_files(accepted_verdicts(project))
    return [project.root / name for name in names if name.startswith("data/accepted/")]


def verdict_file(project: Project, batch: str) -> Path:
    """Where the verdict about a batch lies."""
    return project.batches / f"{batch}.json"


def write_table(project: Project, table: pa.Table, path: Path) -> None:
    """Writes Parquet in one step; the same table gives the same bytes."""
    write_parts(project, [table], path)


def write_parts(project: Project, parts: Iterable[pa.Table], path: Path) -> None:
    """Writes Parquet in one step, part by part.

    The file grows outside the data directories, because DVC takes these as they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = _written(project, parts, path.name)
    try:
        fresh.replace(path)
        _sync_folder(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replaces a small file in one step that outlives a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(path)
    _sync_folder(path.parent)


def write_verdict(project: Project, verdict: Verdict) -> None:
    """Writes a verdict; from then on it counts."""
    write_text(verdict_file(project, verdict.manifest.batch), verdict.model_dump_json(indent=2) + "\n")


def write_by_content(project: Project, table: pa.Table, folder: Path, batch: str) -> Path:
    """Writes Parquet under the batch's name and the start of its bytes' sha256: other rows never have its name."""
    fresh = _written(project, [table], batch)
    try:
        with fresh.open("rb") as handle:
            path = folder / f"{batch}-{hashlib.file_digest(handle, 'sha256').hexdigest()[:8]}.parquet"
        fresh.replace(path)
        _sync_folder(folder)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def _written(project: Project, parts: Iterable[pa.Table], name: str) -> Path:
    project.runtime.mkdir(exist_ok=True)
    fresh = project.runtime / f"{name}.{os.getpid()}"
    try:
        with fresh.open("wb") as handle:
            writer = None
            for part in parts:
                writer = writer or pq.ParquetWriter(handle, part.schema, compression="zstd", version="2.6")
                writer.write_table(part)
            if writer is not None:
                writer.close()
            handle.flush()
            os.fsync(handle.fileno())
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return fresh


def _sync_folder(folder: Path) -> None:
    """Makes a rename last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def require_complete(project: Project, verdicts: Sequence[Verdict]) -> None:
    """Makes sure that the content of every accepted batch is here, as in a clone it may not be.

    Raises:
        ProjectError: naming the first file that is absent.
    """
    for name in current_files(verdicts):
        if not (project.root / name).is_file():
            raise ProjectError(f"{name} belongs to the data and is not here; fetch it with `dvc pull`")


def is_whole_verdict(path: Path) -> bool:
    """Whether a file is a verdict, all of it."""
    try:
        Verdict.read(path)
    except (ValueError, OSError):
        return False
    return True


def sizes_of(project: Project, names: Iterable[str | None]) -> dict[str, int]:
    """The bytes of files that were just written."""
    return {name: (project.root / name).stat().st_size for name in names if name}


def damaged_files(project: Project, verdicts: Sequence[Verdict]) -> set[str]:
    """The data files that are there and are not as long as when they were written."""
    sizes = {name: size for verdict in verdicts for name, size in verdict.sizes.items()}
    here = {name: project.root / name for name in current_files(verdicts) if name in sizes}
    return {name for name, path in here.items() if path.is_file() and path.stat().st_size != sizes[name]}


def absent_files(project: Project, verdicts: Sequence[Verdict]) -> set[str]:
    """The data files that are not there."""
    return {name for name in current_files(verdicts) if not (project.root / name).is_file()}


def remove_strays(project: Project, verdicts: Sequence[Verdict]) -> None:
    """Removes files that no verdict names, and those that others have taken the place of.

    The first are what an intake left that was interrupted before it had decided.
    """
    named = {*current_files(verdicts)}
    for folder in (project.accepted, project.quarantine):
        for path in folder.glob("*.parquet"):
            if path.relative_to(project.root).as_posix() not in named:
                path.unlink()
    for path in project.batches.glob(".*"):  # a verdict or page that was being written
        path.unlink()
    for path in project.batches.glob("*.html"):
        if not path.with_suffix(".json").is_file():
            path.unlink()
    for pattern in ("*.parquet.*", "????????????.[0-9]*"):
        for path in project.runtime.glob(pattern):
            path.unlink()
