"""Child processes that never outlive us, and ports that are really free."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssgan.errors import PortError, ToolError

HOST = "127.0.0.1"

_OWN = ssl.create_default_context()  # for asking a child of ours whether it is ready; its certificate may be anybody's
_OWN.check_hostname = False
_OWN.verify_mode = ssl.CERT_NONE
_DIRECTLY = urllib.request.build_opener(  # a proxy would look for our children on its own machine
    urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_OWN)
)

# Between us and a server stands this: it reads from a pipe whose other end we alone hold, so when we are killed, even
# by SIGKILL, it reads the end, and ends the server and all the server's children. The kernel's signal at a parent's
# death would come too early where the thread that has started the server ends before us. Signals to the whole group are
# for the server; it waits for how the server takes them.
_LEASH = """
import os, signal, subprocess, sys, threading
def follow():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
threading.Thread(target=follow, daemon=True).start()
code = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL).wait()
sys.exit(code if code >= 0 else 128 - code)
"""


def stop_group(process: subprocess.Popen[str], patience: float = 15.0) -> None:
    """Ends a process and all its children: politely first, then surely. It must lead a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    kill_group(process)
    process.wait()


def kill_group(process: subprocess.Popen[str]) -> None:
    """Ends what is left of a process's session; a leader that was killed leaves its children running."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def require_free(port: int) -> None:
    """Checks that a port can be listened on.

    Raises:
        PortError: if it is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PortError(f"port {port} of {HOST} is taken; choose another with --port") from None


@dataclass(frozen=True)
class Server:
    """A server under way."""

    process: subprocess.Popen[str]
    url: str
    ready: str  # a URL that answers 200 when it is
    log: Path
    begin: int = 0  # where in the log its own lines begin

    def wait(self, patience: float = 120.0) -> None:
        """Returns when the server answers.

        Raises:
            ToolError: if it ends by itself, or is not ready in time; with the last lines of its log.
        """
        deadline = time.monotonic() + patience
        while not _answers(self.ready):
            if self.process.poll() is not None:
                raise self._failure("has ended by itself")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {patience:.0f} s")
            time.sleep(0.1)

    def wait_for_end(self) -> None:
        """Returns never: a server that ends by itself has failed, and any other end comes as a signal to us.

        Raises:
            ToolError: when it has ended; with the last lines of its log.
        """
        self.process.wait()
        raise self._failure("has ended by itself")

    def _failure(self, what: str) -> ToolError:
        said = self.log.read_bytes()[self.begin :].decode(errors="replace")
        tail = "\n".join(said.splitlines()[-15:])
        return ToolError(f"the server at {self.url} {what}; its last lines:\n{tail}")


@contextlib.contextmanager
def server(command: Sequence[str], url: str, ready: str, log: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Runs a server while the block runs; it is started at once, and `wait` tells when it answers.

    Its lines are added to the log, where another server may be writing. However we end, it ends too.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink, _leash() as hold:
        begin = sink.tell()
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEASH, *command],
            stdin=hold,
            stdout=sink,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(environment),
            start_new_session=True,
        )
        try:
            yield Server(process, url, ready, log, begin)
        finally:
            stop_group(process)


@contextlib.contextmanager
def _leash() -> Iterator[int]:
    """The end of a pipe that a child reads; the other one is ours, and no child of ours inherits it."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def ask_directly(request: str | urllib.request.Request, timeout: float) -> Any:
    """The answer of a server on this machine, past any proxy that the environment names."""
    return _DIRECTLY.open(request, timeout=timeout)


def _answers(url: str) -> bool:
    try:
        with ask_directly(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
