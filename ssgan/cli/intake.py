"""Verbs of the first room: a batch comes in, its data become a version, its bad rows wait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ssgan.cli.options import file_argument, group, project_option, verb

if TYPE_CHECKING:
    from ssgan.project import Project
    from ssgan.records import Verdict

data = group("data", "The versions of the accepted data.", "ssgan data log -C mine")
quarantine = group(
    "quarantine", "Refused rows: look at them, repair them, send them again.", "ssgan quarantine list -C mine"
)
contract = group("contract", "What a batch must be.", "ssgan contract diff -C mine old.yaml")


@verb("ingest", "ssgan ingest -C mine march.csv")
@project_option
@file_argument
@click.option(
    "--data-docs",
    "docs",
    type=click.Path(path_type=Path),
    help="New folder for Great Expectations' own pages about FILE; they load scripts and styles from a network.",
)
def ingest(root: Path, file: Path, docs: Path | None) -> None:
    """Takes one file in: accepted, accepted without its bad rows, or rejected."""
    from datetime import UTC, datetime

    from ssgan.console import shown
    from ssgan.intake.ingest import ingest as take_in
    from ssgan.intake.ingest import write_docs
    from ssgan.intake.version import require_repository
    from ssgan.intake.wait import locked_patiently
    from ssgan.progress import step
    from ssgan.project import open_project

    project = open_project(root)
    require_repository(project)
    with shown(), locked_patiently(project), step(f"intake {file.name}") as current:
        if docs is not None:
            write_docs(project, file, docs)
        start = datetime.now(UTC).isoformat()
        verdict = take_in(project, file)
        before = verdict.manifest.seen_at < start
        current.result = _before(project, verdict) if before else verdict.sentence


def _before(project: Project, verdict: Verdict) -> str:
    from ssgan.console import typed
    from ssgan.intake.quarantine import held

    said = f"taken in before, nothing to do: {verdict.sentence}"
    if all(each.batch != verdict.manifest.batch for each in held(project)):
        return said
    release = typed("quarantine", "release", "-C", project.root, verdict.manifest.batch)
    return f"{said}; once the contract allows what is in quarantine, `{release}` takes that in"


@data.command("log")
@project_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def data_log(root: Path, as_json: bool) -> None:
    """Every version, newest first: when, by whom, rows, labels, and the batches that came with it."""
    import json
    from dataclasses import asdict

    from ssgan.console import counted
    from ssgan.intake.history import log
    from ssgan.project import open_project

    versions = log(open_project(root))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in versions], indent=2))
        return
    if not versions:
        click.echo("no version yet: the first batch that is accepted makes one")
    for each in versions:
        click.echo(f"{each.name}  {each.when}  {each.who}  {counted(each.rows, each.labelled)}")
        for batch in each.batches:
            click.echo(f"    {batch}")


@data.command("diff")
@project_option
@click.argument("first")
@click.argument("second")
def data_diff(root: Path, first: str, second: str) -> None:
    """What lies between two versions: rows, labels, and columns that moved."""
    from ssgan.intake.history import diff
    from ssgan.project import open_project

    click.echo("\n".join(diff(open_project(root), first, second).lines()))


@data.command("restore")
@project_option
@click.argument("version")
def data_restore(root: Path, version: str) -> None:
    """Makes the data what they were at VERSION, as a new version."""
    from ssgan.console import shown
    from ssgan.intake.history import restore
    from ssgan.intake.ingest import settle
    from ssgan.intake.wait import locked_patiently
    from ssgan.project import open_project

    project = open_project(root)
    with shown(), locked_patiently(project):
        settle(project)
        made = restore(project, version)
    click.echo(f"{made.name}: the data of {version}, {made.rows} rows")


@quarantine.command("list")
@project_option
def quarantine_list(root: Path) -> None:
    """Every batch with rows in quarantine, and why they are there."""
    from ssgan.intake.quarantine import held
    from ssgan.project import open_project

    found = held(open_project(root))
    click.echo("\n".join(each.line() for each in found) or "no row is in quarantine")


@quarantine.command("show")
@project_option
@click.argument("batch")
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV file, or for images a folder, to write and to repair.",
)
def quarantine_show(root: Path, batch: str, out: Path) -> None:
    """Writes the rows of BATCH as they arrived, with their row numbers and reasons."""
    from ssgan.console import typed
    from ssgan.intake.quarantine import write_held
    from ssgan.project import open_project

    rows = write_held(open_project(root), batch, out)
    release = typed("quarantine", "release", "-C", root, batch, "--from", out)
    click.echo(f"{rows} rows in {out}; repair them and `{release}`")


@quarantine.command("release")
@project_option
@click.argument("batch")
@click.option("--from", "repaired", type=click.Path(path_type=Path), help="The rows of `show`, repaired.")
def quarantine_release(root: Path, batch: str, repaired: Path | None) -> None:
    """Sends the rows of BATCH through again: repaired, or as they are under a contract that has changed."""
    from ssgan.console import shown
    from ssgan.intake.quarantine import release
    from ssgan.intake.wait import locked_patiently
    from ssgan.project import open_project

    project = open_project(root)
    with shown(), locked_patiently(project):
        verdict = release(project, batch, repaired)
    click.echo(verdict.sentence)


@contract.command("diff")
@project_option
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path), required=False)
def contract_diff(root: Path, old: Path, new: Path | None) -> None:
    """What changed from OLD to NEW (default: the project's contract), and which accepted batches would not pass NEW."""
    from ssgan.contract import read_contract
    from ssgan.intake.rejudge import changes, no_longer_passing
    from ssgan.project import open_project

    project = open_project(root)
    made = read_contract(new or project.contract)
    click.echo("\n".join(changes(read_contract(old), made)) or "nothing changed")
    refused = no_longer_passing(project, made)
    click.echo(
        "\n".join(["accepted batches that would not pass:", *refused]) if refused else "every accepted batch passes"
    )
