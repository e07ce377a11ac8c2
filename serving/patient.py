"""How a connection is handled: with little patience, and past what BentoML puts around a request.

BentoML's server, uvicorn, would wait for ever for a connection that sends no request. And BentoML's timeout keeps an
object per request alive for as long as it lasts, which is tens of megabytes under load.

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
FILES = 4_096  # that this process may open, if the system lets it: each connection is one


class Patient(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # one of two, by what is installed
    """Closes a connection whose head is not there in time; when there are too many, the one that has waited longest."""

    at_most = 512
    app: ASGIApp
    front: Callable[[ASGIApp], ASGIApp]  # the door, to be put before everything else
    waiting: dict[Patient, None] = {}  # without a request under way, longest first; of the whole process

    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = Patient.front(self.app)

    def connection_made(self, transport: Any) -> None:
        """Starts to wait for a head, and makes room if there is none."""
        super().connection_made(transport)
        if len(self.connections) > self.at_most and self.waiting:
            next(iter(self.waiting)).transport.abort()
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stops waiting as soon as there is a request."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            if self._timer is None:
                self._wait()
        else:
            self._stop()

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
