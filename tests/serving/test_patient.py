"""Connections that send nothing, or too slowly: over real sockets, in a server with small limits."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from made import eventually
from starlette.types import Receive, Scope, Send

from serving import patient
from serving.patient import Patient


class Held:
    """Answers `/` at once, and `/held` when it is let go."""

    def __init__(self) -> None:
        self.under_way, self.let_go = 0, threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/held":
            self.under_way += 1
            await asyncio.to_thread(self.let_go.wait, 60)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def patiently(monkeypatch):
    """Starts a server with limits; its port, and what it serves."""

    @contextmanager
    def start(seconds: float = 600, at_most: int = 100) -> Iterator[tuple[int, Held]]:
        monkeypatch.setattr(patient, "HEAD_SECONDS", seconds)
        monkeypatch.setattr(Patient, "at_most", at_most)
        monkeypatch.setattr(Patient, "front", staticmethod(lambda app: app), raising=False)
        held = Held()
        # uvicorn's own limit, of a connection that stays silent between two requests, is out of the way
        config = uvicorn.Config(held, http=Patient, lifespan="off", log_level="warning", timeout_keep_alive=600)
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as bound:
            thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
            thread.start()
            try:
                eventually(lambda: server.started)
                yield bound.getsockname()[1], held
                eventually(lambda: not Patient.waiting)  # what is gone is forgotten
            finally:
                held.let_go.set()
                server.should_exit = server.force_exit = True
                thread.join()

    return start


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def send(link: socket.socket, path: str = "/") -> None:
    link.sendall(f"GET {path} HTTP/1.1\r\nhost: here\r\n\r\n".encode())


def status(link: socket.socket) -> int:
    """Of the next answer."""
    answer = http.client.HTTPResponse(link)
    answer.begin()
    answer.read()
    return answer.status


def ends(link: socket.socket) -> bool:
    """Whether the server is the one that closes it; waits for something to come."""
    try:
        return link.recv(1) == b""
    except ConnectionResetError:
        return True


def ends_after_a_byte(link: socket.socket) -> bool:
    """The same, once one more byte was sent; waits for a moment alone."""
    try:
        link.sendall(b"x")
    except (BrokenPipeError, ConnectionResetError):
        return True
    return bool(select.select([link], [], [], 0.02)[0]) and ends(link)


def test_a_head_that_is_not_there_in_time_ends_the_connection_however_often_a_byte_comes(patiently) -> None:
    with patiently(seconds=0.3) as (port, _), connected(port) as silent, connected(port) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nx-slow: ")
        eventually(lambda: ends_after_a_byte(slow))
        assert ends(silent)


def test_an_answer_may_take_longer_than_a_head(patiently) -> None:
    with patiently(seconds=1) as (port, held), connected(port) as asking:
        send(asking, "/held")
        eventually(lambda: held.under_way == 1)
        with connected(port) as later:
            assert ends(later)
        held.let_go.set()
        assert status(asking) == 200


def test_after_an_answer_half_a_head_ends_the_connection_and_silence_does_not(patiently, monkeypatch) -> None:
    with patiently() as (port, held), connected(port) as silent, connected(port) as half:
        for link in (silent, half):
            send(link, "/held")
        eventually(lambda: held.under_way == 2)
        monkeypatch.setattr(patient, "HEAD_SECONDS", 0.3)
        held.let_go.set()
        assert status(silent) == status(half) == 200
        half.sendall(b"GET / HT")
        assert ends(half)
        send(silent)
        assert status(silent) == 200


def test_where_there_are_too_many_the_one_that_waited_longest_makes_room_and_none_that_is_answered(patiently) -> None:
    with patiently(at_most=3) as (port, held), connected(port) as asking:
        send(asking, "/held")
        eventually(lambda: held.under_way == 1)
        with connected(port) as first, connected(port) as second:
            send(first)
            assert status(first) == 200  # from now on it waits anew
            with connected(port) as third:
                assert ends(second)
                for link in (first, third):
                    send(link)
                    assert status(link) == 200
            held.let_go.set()
            assert status(asking) == 200


def answer(port: int, *parts: bytes) -> bytes:
    """What comes back before the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        with contextlib.suppress(ConnectionError):  # it may be ended while more is sent
            for part in parts:
                link.sendall(part)
        link.settimeout(20)
        said = b""
        with contextlib.suppress(ConnectionError):
            while part := link.recv(65_536):
                said += part
        return said


GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
CHUNKED = b"POST /held HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


def test_a_head_may_have_64_kilobytes(patiently) -> None:
    with patiently() as (port, _):
        assert answer(port, GET + b"X: " + b"y" * 60_000 + b"\r\n\r\n").endswith(b"ok")


@pytest.mark.parametrize("head", [GET, CHUNKED], ids=["before a body", "behind one"])
@pytest.mark.parametrize("more", [b"y" * 70_000, b"y\r\nX: " * 12_000], ids=["one", "many"])
def test_headers_without_an_end_are_ended(patiently, head, more) -> None:
    with patiently() as (port, _):
        said = answer(port, head + b"X: ", *[more] * 30)
    assert not said or said.startswith(b"HTTP/1.1 4")  # the word may be lost, as more was on its way


def test_a_body_in_parts_is_no_head_however_long(patiently) -> None:
    part = b"%x\r\n" % 50_000 + b"y" * 50_000 + b"\r\n"
    with patiently() as (port, held):
        held.let_go.set()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert answer(port, head, *[part] * 10, b"0\r\n\r\n").endswith(b"ok")


def test_who_asks_for_a_websocket_gets_an_answer_and_is_forgotten(patiently) -> None:
    asked = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    with patiently() as (port, _), socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(asked + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert link.recv(65_536).startswith(b"HTTP/1.1 200 ")
