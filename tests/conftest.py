"""What every kind of test shares: a quiet environment, the command line as a process, and one finished project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ssgan import settings

settings.apply()
os.environ["COLUMNS"] = "200"

TINY = ("train.steps=60", "baselines.trees=20", "evaluate.resamples=100")

Command = Callable[..., subprocess.CompletedProcess[str]]


def run_ssgan(*arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Runs `ssgan` as a user would, in a process of its own."""
    command = [sys.executable, "-m", "ssgan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=settings.environment())


@pytest.fixture
def ssgan() -> Command:
    """The command line as a process."""
    return run_ssgan


@pytest.fixture
def ssgan_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The command line in this process, which spares the imports: exit code and standard error."""

    def run(*arguments: object) -> tuple[int, str]:
        from ssgan.cli import main

        monkeypatch.setattr(sys, "argv", ["ssgan", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(str(ended.value.code)), capsys.readouterr().err

    return run


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server with a database of its own for the whole session; child processes use it too."""
    from flows.server import prefect_server

    home = tmp_path_factory.mktemp("prefect")
    before = os.environ.get("PREFECT_HOME"), os.environ.pop("PREFECT_API_URL", None)
    os.environ["PREFECT_HOME"] = str(home)
    with prefect_server(home / "server.log") as wait:
        yield wait()
    for name, value in zip(("PREFECT_HOME", "PREFECT_API_URL"), before, strict=True):
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _demo(example: str, folder: Path) -> tuple[Path, str]:
    directory = folder / example
    knobs = [part for knob in TINY for part in ("--set", knob)]
    done = run_ssgan("demo", "--example", example, directory, *knobs, timeout=600)
    assert done.returncode == 0, done.stderr
    return directory, done.stderr


@pytest.fixture(scope="session")
def cancer(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The finished cancer demo with a tiny budget: its project and what it printed. Do not change it: see `project`."""
    return _demo("cancer", tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def diabetes(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same for regression."""
    return _demo("diabetes", tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def digits(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same for images."""
    return _demo("digits", tmp_path_factory.mktemp("demo"))


@pytest.fixture
def project(cancer: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished cancer project that a test may change."""
    copy = tmp_path / "project"
    shutil.copytree(cancer[0], copy, symlinks=True)
    return copy
