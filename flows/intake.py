"""Flow `intake`: one batch is read, judged, and becomes a version of the data, or leaves a reason."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.logs import logged
from ssgan.errors import RejectedError
from ssgan.intake.ingest import ingest, verdict_of
from ssgan.progress import step
from ssgan.project import open_project
from ssgan.records import Verdict


@task(cache_policy=NO_CACHE, task_run_name="take in {file}")
def take_in(root: str, file: str) -> Verdict:
    """Everything intake does with one file.

    Raises:
        RejectedError: if the batch was refused as a whole; its verdict is on disk then.
    """
    with logged(), step(f"intake {Path(file).name}") as current:
        verdict = ingest(open_project(Path(root)), Path(file))
        current.result = verdict.sentence
        return verdict


@flow(name="intake", flow_run_name="{file}")
def intake(root: str, file: str) -> Verdict:
    """Takes one file in and leaves the verdict as an artifact of the run.

    Args:
        root: Directory of the project.
        file: CSV, Parquet, or an image set.

    Raises:
        RejectedError: if the batch was refused as a whole.
        DataError: if the file cannot be read as a batch at all.
    """
    try:
        verdict = take_in(root, file)
    except RejectedError:
        _leave(verdict_of(open_project(Path(root)), Path(file)))
        raise
    _leave(verdict)
    return verdict


def _leave(verdict: Verdict) -> None:
    broken = [
        f"| {rule.severity} | {rule.rule} | {rule.column or ''} | {rule.message} |"
        for rule in verdict.rules
        if not rule.passed
    ]
    lines = [f"**{verdict.decision}**: {verdict.sentence}", "", f"{verdict.rows_accepted} rows accepted, "]
    lines[-1] += f"{verdict.rows_refused} refused"
    if broken:
        lines += ["", "| severity | rule | column | found |", "| --- | --- | --- | --- |", *broken]
    lines += ["", f"The page: `data/batches/{verdict.manifest.batch}.html`"]
    create_markdown_artifact("\n".join(lines), key=f"verdict-{verdict.manifest.batch}")
