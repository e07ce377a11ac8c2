"""A challenger that the gate kept out, and the same one after somebody insisted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ssgan import settings
from ssgan.config import set_knob

Ran = tuple[Path, subprocess.CompletedProcess[str]]
REASON = "the ward asks for it"


@pytest.fixture(scope="session")
def kept(prefect_api: str, cancer: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The cancer project after a run whose model no gate would let through, and that run. Do not change it.

    A knob of the calibration makes another model of the same network, which costs no training.
    """
    project = tmp_path_factory.mktemp("kept") / "project"
    shutil.copytree(cancer[0], project, symlinks=True)
    for knob in ("gate.margin_over_guess=0.9", "calibrate.coverage=0.8", "evaluate.resamples=50"):
        set_knob(project / "params.yaml", knob)
    return project, _run(project)


@pytest.fixture(scope="session")
def forced(kept: Ran, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The same after a run that was told to promote it, and that run. Do not change it: see `two`."""
    project = tmp_path_factory.mktemp("forced") / "project"
    shutil.copytree(kept[0], project, symlinks=True)
    return project, _run(project, "--force", REASON)


@pytest.fixture
def two(forced: Ran, tmp_path: Path) -> Path:
    """A copy of the project with two packaged models that a test may change."""
    copy = tmp_path / "two"
    shutil.copytree(forced[0], copy, symlinks=True)
    return copy


def _run(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ssgan", "run", "-C", str(project), *options]
    return subprocess.run(command, capture_output=True, text=True, env=settings.environment(), timeout=300)
