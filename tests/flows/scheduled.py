"""A schedule as a process of its own, whose flow a test has run when it likes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ssgan import settings
from ssgan.project import Project

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

NEVER = "0 3 1 1 *"  # once a year


@contextlib.contextmanager
def scheduled(api: str, project: Path) -> Iterator[subprocess.Popen[str]]:
    """The schedule of a project once the server knows it; it ends with the block."""
    command = [sys.executable, "-m", "ssgan", "schedule", "-C", str(project), "--cron", NEVER]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = settings.environment()
    with subprocess.Popen(command, **pipes, text=True, env=environment, cwd=project) as process:
        try:
            _wait_for_deployment(f"{api}/deployments/name/{deployment_of(project)}")
            yield process
        finally:
            process.terminate()


def deployment_of(project: Path) -> str:
    """Flow and name of a project's deployment."""
    from flows.deployments import SCHEDULED, deployment_name

    return f"{SCHEDULED}/{deployment_name(Project(project))}"


def run_now(project: Path, timeout: float = 300) -> FlowRun:
    """Has the flow run; what is known of the run after that many seconds, or when it is over."""
    from prefect.deployments import run_deployment

    run: FlowRun = run_deployment(deployment_of(project), timeout=timeout, poll_interval=0.2)
    assert run.state is not None
    return run


def _wait_for_deployment(url: str, patience: int = 600) -> None:
    for _ in range(patience):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            threading.Event().wait(0.1)
    raise AssertionError("the schedule never registered its deployment")
