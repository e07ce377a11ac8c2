"""The front door: help, exit codes, and what a wrong call gets to read."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ssgan.cli import cli
from ssgan.errors import UserError
from ssgan.judge.gate import gate
from ssgan.project import Project

VERBS = (
    *("init", "ingest", "run", "prepare", "train", "calibrate", "baselines", "evaluate", "gate"),
    *("package", "promote", "rollback", "serve", "score", "labels", "schedule", "reproduce", "status", "demo"),
    *("data", "quarantine", "contract", "key", "shadow"),
)


def refused(ended: tuple[int, str], code: int, *words: str) -> None:
    """One clear sentence on standard error, the right exit code, no traceback."""
    found, said = ended
    assert found == code, said
    assert "Traceback" not in said
    assert not [word for word in words if word not in said], said


def test_every_verb_is_there() -> None:
    assert set(cli.commands) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_an_example(verb: str) -> None:
    command = cli.commands[verb]
    assert command.help
    assert f"ssgan {verb}" in str(command.epilog)


def test_help_cuts_no_sentence_and_explains_every_option() -> None:
    for command in (cli, *cli.commands.values()):
        assert "..." not in CliRunner().invoke(command, ["--help"]).output.partition("Commands:")[2]
        verbs = command.commands.values() if isinstance(command, click.Group) else [command]
        options = [option for each in verbs for option in each.params if isinstance(option, click.Option)]
        assert all(option.help for option in options)


def test_help_lists_the_exit_codes(ssgan) -> None:
    said = ssgan("--help").stdout
    assert all(f"  {code}  " in said for code in range(6))


def test_a_directory_that_is_no_project_is_refused(ssgan_here, tmp_path: Path) -> None:
    for verb in ("run", "status", "gate", "package", "serve", "prepare"):
        refused(ssgan_here(verb, "-C", tmp_path), 2, "is not a project", "ssgan init")


def test_a_process_ends_with_the_exit_code(ssgan) -> None:
    done = ssgan("trian")
    refused((done.returncode, done.stderr), 2, "trian")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_output_that_the_caller_has_closed_changes_no_exit_code(closed: str) -> None:
    for arguments, code in (("--help", 0), ("trian", 2)):
        done = subprocess.run(f"{shlex.quote(sys.executable)} -m ssgan {arguments} {closed}", shell=True, check=False)
        assert done.returncode == code


def test_a_full_disk_under_the_output_is_no_fault_of_ours() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ssgan", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    refused((done.returncode, done.stderr), 2, "no room left", "free some space")
    assert done.stderr.count("\n") == 1


def test_an_unknown_verb_or_option_is_the_users_fault(ssgan_here) -> None:
    refused(ssgan_here("trian"), 2, "trian")
    refused(ssgan_here("run", "--colour"), 2, "--colour")


def test_init_refuses_a_directory_that_is_not_empty(ssgan_here, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    refused(ssgan_here("init", tmp_path), 2, "is not empty")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_init_wants_from_and_label_together(ssgan_here, tmp_path: Path) -> None:
    refused(ssgan_here("init", tmp_path / "new", "--label", "y"), 2, "belong together")
    assert not (tmp_path / "new").exists()


def test_init_leaves_nothing_behind_when_the_file_cannot_be_read(ssgan_here, tmp_path: Path) -> None:
    refused(ssgan_here("init", tmp_path / "new", "--from", tmp_path / "no.csv", "--label", "y"), 2, "no.csv")
    assert not (tmp_path / "new").exists()


def test_init_leaves_nothing_behind_when_a_knob_is_wrong(ssgan_here, tmp_path: Path) -> None:
    refused(ssgan_here("init", tmp_path / "new", "--set", "train.stpes=3"), 2, "did you mean `train.steps`")
    assert not (tmp_path / "new").exists()


def test_what_init_says_to_do_next_can_be_typed_where_a_path_has_blanks(ssgan_here, tmp_path: Path) -> None:
    file, made = tmp_path / "my file.csv", tmp_path / "my project"
    file.write_text("a,y\n1,u\n2,v\n")
    code, said = ssgan_here("init", made, "--from", file, "--label", "y")
    assert code == 0, said
    assert f"run -C '{made}' '{file}'`" in said


def test_a_contract_that_is_not_there_is_said_to_be_missing(ssgan_here, tmp_path: Path) -> None:
    file, made = tmp_path / "a.csv", tmp_path / "mine"
    file.write_text("a,y\n1,u\n2,v\n")
    assert ssgan_here("init", made, "--from", file, "--label", "y")[0] == 0
    refused(
        ssgan_here("contract", "diff", "-C", made, tmp_path / "no.yaml"), 2, "there is no contract", "no.yaml; give"
    )


def test_answers_are_not_written_as_parquet_into_what_is_called_csv(ssgan_here, tmp_path: Path) -> None:
    refused(ssgan_here("score", "-C", tmp_path, "a.csv", "-o", tmp_path / "b.csv"), 2, "ends in .parquet; it is b.csv")


def test_a_hangup_that_was_ignored_stays_ignored(ssgan_here) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        ssgan_here("trian")
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("reason", ["", "  "])
def test_force_without_a_reason_is_refused_before_anything_is_judged(tmp_path: Path, reason: str) -> None:
    with pytest.raises(UserError, match="--force must give the reason"):
        gate(Project(tmp_path), force=reason)
