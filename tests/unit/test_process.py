"""Servers that we start: they end with us however we end, add to their log, and are asked past any proxy."""

from __future__ import annotations

import http.server
import os
import select
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssgan import settings
from ssgan.errors import ToolError
from ssgan.process import HOST, Server, free_port, server

PARENT = """
import os, sys, threading
from pathlib import Path
from ssgan.process import server

code = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
opened = server([sys.executable, "-c", code], "", "", Path(sys.argv[1]), os.environ)
starter = threading.Thread(target=opened.__enter__)
starter.start()
starter.join()  # a server belongs to the process, not to the thread that has started it
print("started", flush=True)
sys.stdin.read()
"""
ENDING = "print('{}', flush=True)"


def has_ended(pid: int, patience: float) -> bool:
    """Whether a process ends in time; it may be anybody's child."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], patience)[0])
    finally:
        os.close(watched)


def pid_in(log: Path) -> int:
    """What the server of `PARENT` has written."""
    for _ in range(600):
        if log.read_text().endswith("\n"):
            return int(log.read_text())
        threading.Event().wait(0.02)
    raise AssertionError("the server never said its number")


def test_a_server_outlives_the_thread_that_started_it_but_no_kill_of_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        pid = pid_in(tmp_path / "log")
        assert not has_ended(pid, 0)
        parent.send_signal(signal.SIGKILL)
        assert has_ended(pid, 20)


def said_by(log: Path, word: str) -> str:
    """What is told of a server that says a word and ends."""
    with (
        server([sys.executable, "-c", ENDING.format(word)], "http://x", f"http://{HOST}:1", log, os.environ) as running,
        pytest.raises(ToolError) as caught,
    ):
        running.wait_for_end()
    return str(caught.value)


def test_a_second_server_adds_to_the_log_and_is_told_of_by_its_own_lines(tmp_path: Path) -> None:
    said_by(tmp_path / "log", "one")
    told = said_by(tmp_path / "log", "two")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert "two" in told
    assert "one" not in told


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server on this machine, where the environment names a proxy that answers nobody."""
    monkeypatch.setenv("http_proxy", f"http://{HOST}:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # which remembers the proxies of its first use
    with http.server.HTTPServer((HOST, 0), _Ready) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://{HOST}:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_server_on_this_machine_is_asked_past_a_proxy(behind_a_proxy: str, tmp_path: Path) -> None:
    from ssgan.demo import _post

    with subprocess.Popen([sys.executable, "-c", ""], text=True) as process:
        Server(process, behind_a_proxy, behind_a_proxy, tmp_path / "log").wait(0)
    assert _post(behind_a_proxy, {}) == {}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "127.0.0.1,localhost"),
        ("intra.example, 10.0.0.1", "intra.example,10.0.0.1,127.0.0.1,localhost"),
        ("localhost,127.0.0.1", "localhost,127.0.0.1"),
        ("*", "*"),
    ],
)
def test_children_are_told_that_no_proxy_leads_to_this_machine(monkeypatch, given: str | None, found: str) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    if given is not None:
        monkeypatch.setenv("NO_PROXY", given)
    variables = settings.environment()
    assert (variables["NO_PROXY"], variables["no_proxy"]) == (found, found)
