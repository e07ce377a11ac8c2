"""Verbs about the project as a whole: it begins, runs, runs on a schedule, and tells where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ssgan.cli.options import example_option, knobs_option, project_option, verb


@verb("init", "ssgan init mine --from patients.csv --label health_level")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--from", "source", type=click.Path(path_type=Path), help="Your file; its contract is drafted.")
@click.option("--label", help="The column of --from that holds the labels.")
@click.option("--id", "id_column", help="The column of --from that names a row.")
@click.option("--group", help="The column of --from whose rows belong together, such as the patient.")
@click.option(
    "--task", type=click.Choice(["classification", "regression"]), help="Instead of guessing it from the label."
)
@click.option("--delimiter", help="Between the cells of a CSV (default: a comma).")
@click.option("--decimal", type=click.Choice([".", ","]), help="In the numbers of a CSV (default: a point).")
@click.option("--encoding", help="Of a CSV (default: utf-8).")
@example_option
@knobs_option
def init(directory: Path, source: Path | None, knobs: tuple[str, ...], **what: Any) -> None:
    """Makes a project: a directory with params.yaml, dvc.yaml, data/contract.yaml, git and DVC."""
    from ssgan.console import shown, typed, waiting_file
    from ssgan.start import init as make

    with shown() as console:
        make(directory, source=source, knobs=knobs, **what)
        contract, file = directory / "data" / "contract.yaml", source or waiting_file(directory) or "FILE"
        text = f"{directory} is ready; look {contract} over, then `{typed('run', '-C', directory, file)}`"
        console.print(text, markup=False, highlight=False, soft_wrap=True)


@verb("run", "ssgan run -C mine march.csv")
@project_option
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--force", metavar="REASON", help="Promote whatever the gate says; the reason is recorded.")
def run(root: Path, files: tuple[Path, ...], force: str | None) -> None:
    """The whole way: takes FILES in, trains, judges and, if the gate agrees, packages and promotes."""
    from ssgan.console import shown
    from ssgan.run import run as whole_way

    with shown() as console:
        whole_way(root, files, force, console)


@verb("schedule", "ssgan schedule -C mine --cron '0 3 * * *'")
@project_option
@click.option("--cron", required=True, metavar="CRON", help="When, as five cron fields.")
def schedule(root: Path, cron: str) -> None:
    """Takes in what waits in data/incoming and retrains, on a schedule, one run at a time, until interrupted."""
    from ssgan.run import schedule as start

    start(root, cron)


@verb("status", "ssgan status -C mine --json")
@project_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(root: Path, as_json: bool) -> None:
    """What data was accepted, which model is in service, and what is out of date."""
    from ssgan.status import show

    show(root, as_json)


@verb("demo", "ssgan demo --example cancer demo/")
@click.argument("directory", type=click.Path(path_type=Path), default=Path("demo"))
@example_option
@knobs_option
def demo(directory: Path, example: str | None, knobs: tuple[str, ...]) -> None:
    """The main job on data that scikit-learn ships: three batches in, a served model out."""
    from ssgan.console import shown
    from ssgan.demo import demo as show

    with shown() as console:
        show(directory, example or "cancer", knobs, console)
