"""A Prefect server for as long as it is needed: the user's own where one is set, else one of ours."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ssgan import settings
from ssgan.errors import PortError, ToolError
from ssgan.process import HOST, Server, free_port, require_free, server

PORTS = 5  # that are tried, where each was given to somebody else before our server listened on it
_ADDRESSES = ("PREFECT_API_URL", "PREFECT_UI_API_URL")


@contextlib.contextmanager
def prefect_home(folder: Path) -> Iterator[None]:
    """Each project has a server of its own, and so a history of its own; enter this before importing Prefect.

    Args:
        folder: Prefect keeps its files in `prefect` there while the block runs; elsewhere where the user has said so.
    """
    if os.environ.get("PREFECT_API_URL") or "PREFECT_HOME" in os.environ:
        yield
        return
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    try:
        yield
    finally:
        del os.environ["PREFECT_HOME"]


@contextlib.contextmanager
def prefect_server(log: Path) -> Iterator[Callable[[], str]]:
    """Makes `PREFECT_API_URL` point to a server while the block runs; enter this, or `prefect_home`, before importing
    Prefect.

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
    with contextlib.ExitStack() as stack:
        stack.enter_context(prefect_home(log.parent))
        stack.callback(_forget_address)
        ours = stack.enter_context(contextlib.closing(_Ours(log)))
        stack.callback(_send_last_lines)  # a refused batch has some on their way too
        yield ours.wait


class _Ours:
    """A server of ours, to which the environment leads."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._stack = contextlib.ExitStack()
        self._one_at_a_time = threading.Lock()
        self._port, self._running = self._start()

    def close(self) -> None:
        """Ends the server."""
        self._stack.close()

    def wait(self) -> str:
        """The address of the API, when it answers; where our port was taken in between, the server gets another one.

        Raises:
            ToolError: if none answers; with the last lines of the log.
        """
        with self._one_at_a_time:
            for left in reversed(range(PORTS)):
                try:
                    self._running.wait()
                    self._require_alive()
                    break
                except ToolError:
                    if not left or not self._port_was_taken():
                        raise
                self.close()
                self._port, self._running = self._start()
            return self._running.url

    def _start(self) -> tuple[int, Server]:
        port = free_port()
        url = f"http://{HOST}:{port}/api"
        os.environ |= dict.fromkeys(_ADDRESSES, url)
        _read_again()
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)]
        started = server(command, url, f"{url}/health", self._log, settings.environment())
        return port, self._stack.enter_context(started)

    def _require_alive(self) -> None:
        """Who answers may be the server of somebody else, who was given the port."""
        if self._running.process.poll() is not None:
            raise ToolError(f"another server answers at {self._running.url}, and ours has ended; run it again")

    def _port_was_taken(self) -> bool:
        if self._running.process.poll() is None:
            return False  # then it is ours that has it
        try:
            require_free(self._port)
        except PortError:
            return True
        return False


def _read_again() -> None:
    """Prefect reads the environment when it is imported, and an address that comes later only on demand."""
    if "prefect.context" in sys.modules:
        from prefect.context import refresh_global_settings_context

        refresh_global_settings_context()


def _forget_address() -> None:
    for name in _ADDRESSES:
        os.environ.pop(name, None)


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
