"""Verbs of the rooms that learn and judge."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from ssgan.cli.options import project_option, verb


def _stage(name: str, room: str, text: str) -> click.Command:
    """A verb that DVC calls; by hand it computes the same, without DVC's bookkeeping."""

    @verb(name, f"ssgan {name} -C mine")
    @project_option
    def stage(root: Path) -> None:
        import importlib

        from ssgan.config import read_params
        from ssgan.console import told_line_by_line
        from ssgan.progress import say
        from ssgan.project import open_project

        project = open_project(root)
        with told_line_by_line():
            say(f"{name}: loading")
            if name == "train":  # before keras is first imported
                os.environ["KERAS_BACKEND"] = read_params(project.params).train.backend
            getattr(importlib.import_module(f"ssgan.{room}.{name}"), name)(project)

    stage.help = f"{text} Run by `dvc repro`, which also remembers what came out."
    return stage


prepare = _stage("prepare", "learn", "Divides the accepted rows into training and test rows, and fits the encoder.")
train = _stage("train", "learn", "Trains the SSGAN and its supervised twin, and exports both without the generator.")
calibrate = _stage("calibrate", "judge", "Makes probabilities, sets and intervals of the raw outputs.")
baselines = _stage(
    "baselines",
    "judge",
    "Trains the others that have a try at the same rows, such as boosted trees and label spreading.",
)
evaluate = _stage(
    "evaluate", "judge", "Judges the model and the baselines on the test rows, and writes reports/report.html."
)


@verb("gate", "ssgan gate -C mine")
@project_option
@click.option("--force", metavar="REASON", help="Promote whatever the rules say; the reason is recorded.")
def gate(root: Path, force: str | None) -> None:
    """Says whether the challenger may replace the champion."""
    from ssgan.errors import NotPromotedError
    from ssgan.judge.gate import gate as judge
    from ssgan.judge.gate import is_new
    from ssgan.project import locked, open_project

    project = open_project(root)
    with locked(project):
        decision = judge(project, force)
    if decision.decision == "keep" and is_new(decision):
        raise NotPromotedError(decision.sentence)
    click.echo(decision.sentence)


@verb("labels", "ssgan labels -C mine -n 50 -o requests.csv")
@project_option
@click.option("-n", "count", type=click.IntRange(1), default=50, show_default=True, help="How many rows.")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="CSV (images: folder) or JSON to write."
)
@click.option(
    "--format", "form", type=click.Choice(["csv", "label-studio"]), default="csv", show_default=True, help="Of --out."
)
@click.option(
    "--from",
    "export",
    type=click.Path(path_type=Path),
    help="A JSON export of Label Studio: its answers become a batch.",
)
def labels(root: Path, count: int, out: Path, form: Any, export: Path | None) -> None:
    """The unlabelled rows that a person should label next, and why; filled in, the file is a batch of late labels."""
    from ssgan.console import told_line_by_line, typed
    from ssgan.judge.labels import labels as choose
    from ssgan.judge.requests import write_answers
    from ssgan.project import open_project

    project = open_project(root)
    if export is not None:
        rows = write_answers(project, export, out)
        click.echo(f"{rows} answers in {out}; `{typed('ingest', '-C', root, out)}` takes them in")
        return
    with told_line_by_line():
        rows = choose(project, count, out, form)
    click.echo(f"{rows} rows in {out}; fill in the labels and `{typed('ingest', '-C', root, out)}` takes them in")
