"""A Prefect server for as long as it is needed: the user's own where one is set, else one of ours."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ssgan import settings
from ssgan.errors import ToolError
from ssgan.process import HOST, free_port, server


@contextlib.contextmanager
def prefect_server(log: Path) -> Iterator[Callable[[], str]]:
    """Makes `PREFECT_API_URL` point to a server while the block runs; enter this before importing Prefect.

    Prefect's own temporary server starts only at the first flow call, and then everything waits for it; this one
    starts at once while other work goes on, and its pages can be looked at.

    Args:
        log: File for what the server prints.

    Yields:
        A function that waits until the server answers and returns the address of its API; of one that does not, it
        raises a ToolError.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield lambda: _reached(given)
        return
    home = log.parent / "prefect"
    port = free_port()
    url = f"http://{HOST}:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
    ours = {"PREFECT_API_URL": url, "PREFECT_UI_API_URL": url}
    if "PREFECT_HOME" not in os.environ:
        ours["PREFECT_HOME"] = str(home)  # each project has a server of its own, and so a history of its own
    os.environ |= ours
    try:
        with server(command, url, f"{url}/health", log, settings.environment()) as running:

            def wait() -> str:
                running.wait()
                return url

            try:
                yield wait
            finally:  # a refused batch has log lines on their way too
                _send_last_lines()
    finally:
        for name in ours:
            del os.environ[name]


def _reached(given: str) -> str:
    """The address that the user has set, if a Prefect server answers there.

    Raises:
        ToolError: if none does; the first flow would only say that it is not reached.
    """
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ToolError(
            f"PREFECT_API_URL is {given}, and no Prefect server answers there ({why}); start it, or unset "
            "PREFECT_API_URL and one is started for as long as it is needed"
        )
    return given


def _send_last_lines() -> None:
    """Prefect sends log lines from a thread of its own; those still on their way would find no server."""
    if "prefect" in sys.modules:
        from prefect.logging.handlers import APILogHandler

        APILogHandler().flush()
