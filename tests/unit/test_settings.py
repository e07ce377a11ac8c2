"""Nothing phones home, whatever the user's environment says; and tests see nothing of that environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssgan import settings
from ssgan.intake.version.command import child_environment

TESTS = Path(__file__).parents[1]
SILENT = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
TALKATIVE = {
    "DO_NOT_TRACK": "0",
    "DVC_NO_ANALYTICS": "",
    "GX_ANALYTICS_ENABLED": "true",
    "BENTOML_DO_NOT_TRACK": "False",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "true",
}


@pytest.fixture(params=[TALKATIVE, {}], ids=["a user who asks for reports", "a user who says nothing"])
def asked_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of such a user."""
    for name in SILENT:
        monkeypatch.delenv(name, raising=False)
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


def switches(variables: dict[str, str] | os._Environ[str]) -> dict[str, str | None]:
    """What an environment says about reports."""
    return {name: variables.get(name) for name in SILENT}


@pytest.mark.usefixtures("asked_for")
def test_no_child_is_allowed_to_report_home_whatever_the_user_has_set() -> None:
    assert switches(settings.environment()) == SILENT
    assert switches(child_environment()) == SILENT  # of git and DVC


@pytest.mark.usefixtures("asked_for")
def test_the_command_line_itself_is_not_allowed_to_report_home(ssgan_here, tmp_path) -> None:
    ssgan_here("status", "-C", tmp_path)
    assert switches(os.environ) == SILENT


def test_what_the_user_has_set_otherwise_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    monkeypatch.delenv("MPLBACKEND")
    found = settings.environment()
    assert (found["TF_CPP_MIN_LOG_LEVEL"], found["MPLBACKEND"]) == ("0", "Agg")


# Of Great Expectations there is nothing to ask: the release in the lock has no reports any more.
MAY_REPORT = {
    "DVC": "from dvc.analytics import is_enabled; print(is_enabled())",
    "BentoML": "from bentoml._internal.utils.analytics import usage_stats; print(not usage_stats.do_not_track())",
    "Prefect": (
        "from prefect._internal.analytics.enabled import is_telemetry_enabled as client\n"
        "from prefect.settings import get_current_settings as server\n"
        "print(client() or server().server.analytics_enabled)"
    ),
}


@pytest.mark.parametrize("tool", MAY_REPORT)
def test_each_tool_reads_for_itself_that_it_may_not_report(tool: str, monkeypatch, tmp_path) -> None:
    for name, value in TALKATIVE.items():
        monkeypatch.setenv(name, value)
    variables = {name: settings.environment()[name] for name in (*SILENT, "PATH")}  # none of a CI, where all are silent
    variables |= {"HOME": str(tmp_path), "DVC_GLOBAL_CONFIG_DIR": str(tmp_path)}
    command = [sys.executable, "-c", MAY_REPORT[tool]]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


SHOW = "import conftest, json, os; print(json.dumps(dict(os.environ)))"


def test_tests_see_nothing_of_what_the_user_has_set_for_the_tools(tmp_path) -> None:
    signing = tmp_path / "gitconfig"
    signing.write_text("[user]\n    name = someone\n[commit]\n    gpgsign = true\n[gpg]\n    program = false\n")
    theirs = {
        "GIT_CONFIG_GLOBAL": str(signing),
        "GIT_CONFIG_SYSTEM": str(signing),
        "GIT_DIR": str(TESTS.parent / ".git"),  # as in a hook
        "GIT_AUTHOR_NAME": "someone",
        "DVC_GLOBAL_CONFIG_DIR": str(tmp_path),
        "DVC_STUDIO_TOKEN": "someone",
        "PREFECT_API_URL": "https://prefect.example/api",
        "PREFECT_HOME": str(tmp_path),
        "SSGAN_KEYS": "someone 0",
        "SSGAN_TRACEBACK": "1",
        "AWS_PROFILE": "someone's",
        "BENTOML_HOME": str(tmp_path),
    }
    ours = {"SSGAN_KILLS": "20", "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", SHOW]
    done = subprocess.run(command, cwd=TESTS, env={**os.environ, **theirs, **ours}, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found.items() >= ours.items()
    assert not [name for name, value in theirs.items() if found.get(name) == value]
    for arguments in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message", "a"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, env=found, check=True)
    log = subprocess.run(["git", "log", "--format=%an"], cwd=tmp_path, env=found, capture_output=True, text=True)
    assert log.stdout == "tests\n"
