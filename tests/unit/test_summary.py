"""What a person is told to do when a run has ended."""

from __future__ import annotations

import io
import shlex

import click
import pytest
from rich.console import Console

from ssgan.cli import cli
from ssgan.project import Project
from ssgan.start import template_files
from ssgan.summary import show_kept, show_next


@pytest.mark.parametrize(("show", "verbs"), [(show_next, ["status", "serve", "score"]), (show_kept, ["labels", "run"])])
def test_what_is_to_be_tried_next_can_be_typed_as_it_stands(tmp_path, show, verbs) -> None:
    project = Project(tmp_path / "my project")
    project.contract.parent.mkdir(parents=True)
    project.contract.write_text(template_files()["contract.yaml"].read_text())
    told = io.StringIO()
    show(Console(file=told, width=40), project.root, project)
    commands = [shlex.split(line)[1:] for line in told.getvalue().partition("Try next:\n")[2].splitlines()]
    assert [verb for verb, *_ in commands] == verbs
    for verb, *rest in commands:
        made = cli.commands[verb].make_context(verb, rest)
        assert isinstance(made, click.Context)
        assert made.params["root"] == project.root
