"""Verbs of the last room: a model is packaged, promoted, served, asked and computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ssgan.cli.options import group, project_option, verb

shadow = group(
    "shadow",
    "A challenger beside the champion: the same requests, differences counted.",
    "ssgan shadow report -C mine",
)


@verb("package", "ssgan package -C mine")
@project_option
def package(root: Path) -> None:
    """Builds the Bento of the model that the gate let through."""
    from ssgan.console import shown
    from ssgan.project import locked, open_project
    from ssgan.ship.package import package as build

    project = open_project(root)
    with locked(project), shown():
        tag = build(project)
    click.echo(tag)


@verb("promote", "ssgan promote -C mine ssgan-mine:0a1b2c3d4e5f")
@project_option
@click.argument("tag")
def promote(root: Path, tag: str) -> None:
    """Makes a packaged model the champion."""
    from ssgan.intake.version import commit
    from ssgan.project import locked, open_project
    from ssgan.ship.champion import promote as point_to

    project = open_project(root)
    with locked(project):
        champion = point_to(project, tag)
        commit(
            project,
            [project.champion, project.champions, project.judged_of(champion.digest)],
            f"Promote {champion.tag}",
        )
    click.echo(f"{champion.tag} is the champion; before it: {champion.previous or 'none'}")


@verb("rollback", "ssgan rollback -C mine")
@project_option
def rollback(root: Path) -> None:
    """Makes the champion's predecessor the champion again."""
    from ssgan.intake.version import commit
    from ssgan.project import locked, open_project
    from ssgan.ship.champion import rollback as step_back

    project = open_project(root)
    with locked(project):
        champion = step_back(project)
        commit(project, [project.champion, project.champions], f"Roll back to {champion.tag}")
    click.echo(f"{champion.tag} is the champion again")


@verb("serve", "ssgan serve -C mine --port 3000")
@project_option
@click.option("--port", type=click.IntRange(1, 65535), help="Instead of serve.port in params.yaml.")
@click.option("--instead", is_flag=True, help="The service that runs now ends once this one answers.")
@click.option("--switch", metavar="COMMAND", help="With --instead: points your proxy at $SSGAN_URL.")
@click.option(
    "--drain",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="With --instead: seconds that its last requests get.",
)
def serve(root: Path, port: int | None, instead: bool, switch: str | None, drain: float) -> None:
    """Serves the champion, and every champion after it, until interrupted."""
    from ssgan.project import open_project
    from ssgan.ship.champion import require_champion
    from ssgan.ship.serve import require_running, serving_champion, take_over

    project = open_project(root)
    before = require_running(project) if instead else None
    with serving_champion(project, port) as service:
        tag = require_champion(project).tag
        click.echo(f"{tag} answers at {service.url}/v1/predict; people go to {service.url}/ui; stop it with Ctrl-C")
        if before is not None:
            take_over(project, before, service.url, switch, drain)
        service.wait_for_end()


@verb("key", "ssgan key -C mine ward-7")
@project_option
@click.argument("name")
def key(root: Path, name: str) -> None:
    """Makes an API key and prints it; the file serve.keys keeps its sha256 alone.

    NAME says whose it is; who takes the line with that name out of the file takes the key back.
    """
    from ssgan.config import read_params
    from ssgan.project import open_project
    from ssgan.ship.keys import make_key

    project = open_project(root)
    file = read_params(project.params).serve.keys
    made = make_key(project.root / (file or "keys.txt"), name)
    click.echo(made)
    if file is None:
        click.echo("nobody is asked for a key yet: set serve.keys to keys.txt in params.yaml", err=True)


@shadow.command("start")
@project_option
@click.argument("tag")
def shadow_start(root: Path, tag: str) -> None:
    """Lets the packaged model TAG answer in the shadow of the champion."""
    from ssgan.project import open_project
    from ssgan.ship.shadow import start

    click.echo(f"{start(open_project(root), tag).tag} answers in the shadow, wherever the service of this project runs")


@shadow.command("stop")
@project_option
def shadow_stop(root: Path) -> None:
    """Ends the comparison; what was found stays."""
    from ssgan.project import open_project
    from ssgan.ship.shadow import stop

    click.echo(f"{stop(open_project(root))} answers no more")


@shadow.command("report")
@project_option
@click.argument("tag", required=False)
def shadow_report(root: Path, tag: str | None) -> None:
    """How the answers of TAG (default: the latest challenger) differ from the champion's."""
    from ssgan.project import open_project
    from ssgan.ship.shadow import report

    click.echo(report(open_project(root), tag))


@verb("score", "ssgan score -C mine april.csv -o answers.parquet")
@project_option
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
@click.option(
    "--bad",
    type=click.Choice(["mark", "quarantine", "fail"]),
    default="mark",
    help="What becomes of a row that the contract forbids: it stays in the file, with the reason and no answer (the "
    "default); it goes to OUT.quarantine.parquet; or nothing is written.",
)
@click.option("--workers", type=click.IntRange(1, 256), help="Threads (default: one per core).")
def score(root: Path, source: Path, out: Path, bad: Any, workers: int | None) -> None:
    """The champion answers every record of SOURCE: a file, or a folder of CSV and Parquet files.

    A run that was killed goes on where it was, and ends with the same bytes.
    """
    from ssgan.console import shown
    from ssgan.errors import UserError
    from ssgan.progress import step
    from ssgan.project import open_project
    from ssgan.ship.score import score as answer

    if out.suffix not in (".parquet", ".pq"):
        raise UserError(f"-o must name a Parquet file, which ends in .parquet; it is {out.name}")
    with shown(), step(f"score {source.name}") as current:
        current.result = answer(open_project(root), source, out, bad, workers).sentence(out)


@verb("reproduce", "ssgan reproduce -C mine data-2")
@project_option
@click.argument("version")
@click.option("--tolerance", type=click.FloatRange(min=0), help="Of a metric on another device (default: 0.02).")
@click.option("--into", type=click.Path(path_type=Path), help="New folder for the clone, which is then kept.")
def reproduce(root: Path, version: str, tolerance: float | None, into: Path | None) -> None:
    """Computes VERSION again in a clean clone, and says whether every byte is as it was recorded.

    VERSION is one of the data (data-2: its last training), or of a model: its tag (ssgan-mine:0a1b2c3d4e5f) or the
    start of its digest.
    """
    from ssgan.console import shown
    from ssgan.errors import DiffersError
    from ssgan.project import open_project
    from ssgan.ship.reproduce import TOLERANCE
    from ssgan.ship.reproduce import reproduce as compute_again

    with shown():
        found = compute_again(open_project(root), version, TOLERANCE if tolerance is None else tolerance, into)
    *lines, verdict = found.lines()
    click.echo("\n".join([*lines, verdict] if found.holds else lines))
    if not found.holds:
        raise DiffersError(verdict)
