"""How a connection is handled: with little patience, and past what BentoML puts around a request.

BentoML's server, uvicorn, would wait for ever for a connection that sends no request, and, with `httptools`, keep a
head of any size. And BentoML's timeout keeps an object per request alive for as long as it lasts, which is tens of
megabytes under load. Nobody is asked over a websocket: a connection that became one would be out of sight here.

Registered as uvicorn's protocol when the service is imported, which is before uvicorn looks for one.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from typing import Any

import uvicorn.config
from starlette.types import ASGIApp
from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEAD_SECONDS = 10.0  # for the head of a request to arrive in
HEAD_AT_MOST = 65_536  # bytes; also what uvicorn allows with `h11`
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
FILES = 4_096  # that this process may open, if the system lets it: each connection is one


class Patient(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # one of two, by what is installed
    """Closes a connection whose head is not there in time; when there are too many, the one that has waited longest."""

    at_most = 512
    app: ASGIApp
    front: Callable[[ASGIApp], ASGIApp]  # the door, to be put before everything else
    waiting: dict[Patient, None] = {}  # without a request under way, longest first; of the whole process

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head = 0  # bytes of it so far

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = Patient.front(self.app)
        self.ws_protocol_class = None  # a request to become a websocket is answered like any other

    def connection_made(self, transport: Any) -> None:
        """Starts to wait for a head, and makes room if there is none."""
        super().connection_made(transport)
        if len(self.connections) > self.at_most and self.waiting:
            next(iter(self.waiting)).transport.abort()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stops waiting as soon as there is a request."""
        super().data_received(data)
        self._head = self._head + len(data) if self._in_head else 0
        if self._head > HEAD_AT_MOST and not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()
        if self.cycle is None or self.cycle.response_complete:
            if self._timer is None:
                self._wait()
        else:
            self._stop()

    def on_message_begin(self) -> None:
        """A head begins; `httptools` says so, and `h11` has a limit of its own."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It is there."""
        self._in_head = False
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """What follows is a part of the body, or, after the last one, more headers."""
        self._in_head = True

    def on_body(self, body: bytes) -> None:
        """It was a part of the body."""
        self._in_head = False
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Nothing follows."""
        self._in_head = False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """No line of the log for each request that asks for another protocol."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets it."""
        self._stop()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Waits for the next request; uvicorn closes what stays silent, but not what sends half a head."""
        super().on_response_complete()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.waiting[self] = None

    def _wait(self) -> None:
        self.waiting[self] = None
        self._timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        self.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def install(connections_at_most: int, front: Callable[[ASGIApp], ASGIApp]) -> None:
    """Makes it the protocol of the server that is about to start in this process."""
    Patient.at_most, Patient.front = connections_at_most, staticmethod(front)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = "serving.patient:Patient"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
