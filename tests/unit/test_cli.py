"""The front door: help, exit codes, and what a wrong call gets to read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ssgan.cli import cli

VERBS = (
    *("init", "ingest", "run", "prepare", "train", "calibrate", "baselines", "evaluate", "gate"),
    *("package", "promote", "rollback", "serve", "score", "labels", "schedule", "reproduce", "status", "demo"),
    *("data", "quarantine", "contract", "key", "shadow"),
)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One clear sentence on standard error, the right exit code, no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not [word for word in words if word not in done.stderr], done.stderr


def test_every_verb_is_there() -> None:
    assert set(cli.commands) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_an_example(verb: str) -> None:
    command = cli.commands[verb]
    assert command.help
    assert f"ssgan {verb}" in str(command.epilog)


def test_help_lists_the_exit_codes(ssgan) -> None:
    said = ssgan("--help").stdout
    assert all(f"  {code}  " in said for code in range(6))


def test_a_directory_that_is_no_project_is_refused(ssgan, tmp_path: Path) -> None:
    for verb in ("run", "status", "gate", "package", "serve", "prepare"):
        refused(ssgan(verb, "-C", tmp_path), 2, "is not a project", "ssgan init")


def test_an_unknown_verb_or_option_is_the_users_fault(ssgan) -> None:
    refused(ssgan("trian"), 2, "trian")
    refused(ssgan("run", "--colour"), 2, "--colour")


def test_init_refuses_a_directory_that_is_not_empty(ssgan, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    refused(ssgan("init", tmp_path), 2, "is not empty")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_init_wants_from_and_label_together(ssgan, tmp_path: Path) -> None:
    refused(ssgan("init", tmp_path / "new", "--label", "y"), 2, "belong together")
    assert not (tmp_path / "new").exists()


def test_init_leaves_nothing_behind_when_the_file_cannot_be_read(ssgan, tmp_path: Path) -> None:
    refused(ssgan("init", tmp_path / "new", "--from", tmp_path / "no.csv", "--label", "y"), 2, "no.csv")
    assert not (tmp_path / "new").exists()


def test_init_leaves_nothing_behind_when_a_knob_is_wrong(ssgan, tmp_path: Path) -> None:
    refused(ssgan("init", tmp_path / "new", "--set", "train.stpes=3"), 2, "did you mean `train.steps`")
    assert not (tmp_path / "new").exists()
