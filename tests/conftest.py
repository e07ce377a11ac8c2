"""What every kind of test shares: an environment of its own, the command line as a process, and one finished project.

A session's server and demos lie in a folder of their own, which goes when the session ends, with failures too; with
SSGAN_KEEP=1 in the environment it stays, to be looked at.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ssgan import settings

HERE = Path(__file__).parent
# Before anything reads them: what the user has set for the tools is not for tests, which would break, write to the
# user's servers, or commit to the repository whose hook runs them.
OF_THE_USER = ("AWS_", "BENTOML_", "DVC_", "GIT_", "PREFECT_", "SSGAN_")
OF_THE_TESTS = ("SSGAN_DATA", "SSGAN_FUZZ", "SSGAN_KEEP", "SSGAN_KILLS", "SSGAN_KILL_SEED")
for _name in [each for each in os.environ if each.startswith(OF_THE_USER) and each not in OF_THE_TESTS]:
    del os.environ[_name]
os.environ |= {
    "GIT_CONFIG_GLOBAL": str(HERE / "gitconfig"),
    "GIT_CONFIG_SYSTEM": os.devnull,
    "DVC_GLOBAL_CONFIG_DIR": str(HERE / "no_dvc_config"),  # a folder that is not there
    "DVC_SYSTEM_CONFIG_DIR": str(HERE / "no_dvc_config"),
    # Threads of OpenMP and OpenBLAS that wait for one another sleep: here more of them want a core than there are, and
    # whoever turns in circles meanwhile takes several times as long. How many there are, and what they find, stays.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_THREAD_TIMEOUT": "4",
}
settings.apply()
os.environ["COLUMNS"] = "200"

TINY = ("train.steps=60", "evaluate.folds=3", "evaluate.curve=[0.5]", "baselines.trees=20", "evaluate.resamples=100")

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


class Background:
    """A Prefect server and the demos that tests ask for, on the second core while the first runs other tests."""

    def __init__(self, examples: Sequence[str]) -> None:
        from flows.server import prefect_server

        folder = Path(tempfile.mkdtemp(prefix="ssgan-tests-"))
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        with contextlib.ExitStack() as stack:
            if not os.environ.get("SSGAN_KEEP"):
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self.wait = stack.enter_context(prefect_server(folder / "server.log"))
            self._pool = stack.enter_context(ThreadPoolExecutor(max_workers=1))
            self._stack = stack.pop_all()
        self.demos = {name: self._pool.submit(self._demo, name, folder) for name in examples}

    def _demo(self, example: str, folder: Path) -> tuple[Path, str]:
        self.wait()
        directory = folder / example
        knobs = [part for knob in TINY for part in ("--set", knob)]
        done = run_ssgan("demo", "--example", example, directory, *knobs, timeout=600)
        assert done.returncode == 0, done.stderr
        return directory, done.stderr

    def close(self) -> None:
        with self._stack:
            self._pool.shutdown(cancel_futures=True)


_background = pytest.StashKey[Background]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Starts what the chosen tests will need."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    asked |= {item.callspec.params["example"] for item in session.items if "example" in _params(item)}
    examples = [name for name in ("cancer", "diabetes", "digits") if name in asked]
    if not session.config.option.collectonly and (examples or "prefect_api" in asked):
        session.config.stash[_background] = Background(examples)


def _params(item: pytest.Item) -> dict[str, object]:
    return item.callspec.params if hasattr(item, "callspec") else {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stops it."""
    if _background in session.config.stash:
        session.config.stash[_background].close()


@pytest.fixture(scope="session")
def prefect_api(pytestconfig: pytest.Config) -> str:
    """One Prefect server with a database of its own for the whole session; child processes use it too."""
    return pytestconfig.stash[_background].wait()


@pytest.fixture(scope="session")
def cancer(pytestconfig: pytest.Config) -> tuple[Path, str]:
    """The finished cancer demo with a tiny budget: its project and what it printed. Do not change it: see `project`."""
    return pytestconfig.stash[_background].demos["cancer"].result()


@pytest.fixture(scope="session")
def diabetes(pytestconfig: pytest.Config) -> tuple[Path, str]:
    """The same for regression."""
    return pytestconfig.stash[_background].demos["diabetes"].result()


@pytest.fixture(scope="session")
def digits(pytestconfig: pytest.Config) -> tuple[Path, str]:
    """The same for images."""
    return pytestconfig.stash[_background].demos["digits"].result()


@pytest.fixture
def project(cancer: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of the finished cancer project that a test may change."""
    copy = tmp_path / "project"
    shutil.copytree(cancer[0], copy, symlinks=True)
    return copy
