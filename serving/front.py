"""The door: every request comes in here, is let in or refused, answered, counted and signed.

This stands before BentoML's router, whose own endpoints cost five times what an answer costs; BentoML keeps /livez,
/readyz and /healthz. Its index page loads trackers from a network, so it is never reached.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.answers import encoded
from serving.desk import Desk
from serving.guard import ClientGone
from serving.messages import JSON, Ask, Reply
from serving.metrics import CONTENT_TYPE
from serving.model import Headers
from serving.refusal import Refusal, shown

BENTOML = ("/livez", "/readyz", "/healthz")
HTML = "text/html; charset=utf-8"
SAFE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        b"connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
]
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

_log = logging.getLogger("ssgan.service")


@dataclass(frozen=True)
class Route:
    """What stands behind a path."""

    method: str
    handler: Callable[[Desk, Ask], Awaitable[Reply]]
    media: str = ""  # the only one that is taken
    open: bool = False  # to those without a key


class Front:
    """An ASGI middleware that lets nothing through but BentoML's signs of life."""

    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app, self._desk = app, desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] == "http" and scope["path"] not in BENTOML:
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        path = scope["path"] if scope["path"] in ROUTES else "other"
        status, sent = 200, _Sent(send)
        try:
            reply = await self._reply(scope, receive, request_id)
            await _send_reply(sent, reply, request_id)
        except ClientGone:
            status = 499
        except Refusal as refusal:
            status = refusal.status
            await _send_refusal(sent, refusal, request_id)
        except Exception:
            status = 500
            _log.exception("request %s failed", request_id)
            await _send_refusal(sent, Refusal(500, "this is our fault; the service's log says more"), request_id)
        finally:  # an answer that breaks off is counted too
            self._desk.metrics.request(path, status, time.perf_counter() - started)

    async def _reply(self, scope: Scope, receive: Receive, request_id: str) -> Reply:
        route = ROUTES.get(scope["path"])
        if route is None:
            raise Refusal(404, f"there is no {shown(scope['path'])}; there are {', '.join((*ROUTES, *BENTOML[:2]))}")
        guard = self._desk.guard
        if not route.open:
            guard.count(guard.caller(scope))
        if scope["method"] not in (route.method, "HEAD" if route.method == "GET" else ""):
            text = f"{scope['path']} takes {route.method}, not {shown(scope['method'])}; send that"
            raise Refusal(405, text, headers={"allow": "GET, HEAD" if route.method == "GET" else route.method})
        content_type, accept = _header(scope, b"content-type"), _header(scope, b"accept")
        if route.media and content_type.partition(";")[0].strip().lower() != route.media:
            raise Refusal(415, f"send `content-type: {route.media}`; it is {shown(content_type or 'absent')!r}")
        coding = _header(scope, b"content-encoding").strip()
        if coding.lower() not in ("", "identity"):
            text = f"the body must not be compressed, and its content-encoding is {shown(coding)!r}; send it as it is"
            raise Refusal(415, text, headers={"accept-encoding": "identity"})
        with guard.entered():
            body = await guard.body(scope, receive) if route.method == "POST" else b""
            if route.method == "POST" and not body and _header(scope, b"upgrade"):  # the server took it for another's
                text = "the body of a request with the header `upgrade` is not read; send it without, as HTTP/1.1 alone"
                raise Refusal(400, text, headers={"connection": "close"})
            ask = Ask(request_id, body, content_type, accept, self._desk.current.model)
            return await route.handler(self._desk, ask)


class _Sent:
    """Sends, and knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def head(self, status: int, headers: Headers) -> None:
        self.begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def body(self, part: bytes, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": more})


async def _send_reply(sent: _Sent, reply: Reply, request_id: str) -> None:
    model = [] if reply.model is None else reply.model.headers
    headers = [(b"content-type", reply.content_type.encode()), (b"x-request-id", request_id.encode()), *model, *SAFE]
    if isinstance(reply.body, bytes):
        await sent.head(200, [*headers, (b"content-length", str(len(reply.body)).encode())])
        await sent.body(reply.body, False)
        return
    try:
        await sent.head(200, headers)
        async for part in reply.body:
            await sent.body(part, True)
        await sent.body(b"", False)
    finally:
        await reply.body.aclose()  # type: ignore[attr-defined]  # a generator: it ends its process


async def _send_refusal(sent: _Sent, refusal: Refusal, request_id: str) -> None:
    if sent.begun:  # too late to say so; the connection ends without the last part, which tells the client
        raise ConnectionAbortedError(refusal.error)
    body = encoded(refusal.body(request_id))
    headers = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    if refusal.status in (401, 408, 413, 429, 503):  # whatever is still to come of the body is not waited for
        headers.append((b"connection", b"close"))
    await sent.head(
        refusal.status,
        [
            (b"content-type", JSON.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
            *headers,
            *SAFE,
        ],
    )
    await sent.body(body, False)


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _ID.fullmatch(given) else os.urandom(12).hex()


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


async def _schema(_: Desk, ask: Ask) -> Reply:
    return Reply(JSON, ask.model.schema, ask.model)


async def _lineage(_: Desk, ask: Ask) -> Reply:
    return Reply(JSON, ask.model.about, ask.model)


async def _description(_: Desk, ask: Ask) -> Reply:
    return Reply(JSON, ask.model.description, ask.model)


async def _for_bentoml(_: Desk, ask: Ask) -> Reply:
    return Reply(JSON, ask.model.for_bentoml, ask.model)


async def _metrics(desk: Desk, _: Ask) -> Reply:
    return Reply(CONTENT_TYPE.decode(), desk.metrics.text())


async def _page(_: Desk, __: Ask) -> Reply:
    return Reply(HTML, _page_bytes())


@cache
def _page_bytes() -> bytes:
    return Path(__file__).with_name("page.html").read_bytes()


ROUTES = {
    "/v1/predict": Route("POST", Desk.predict, JSON),
    "/v1/predict_many": Route("POST", Desk.predict_many, JSON),
    "/v1/predict_file": Route("POST", Desk.predict_file),
    "/v1/schema": Route("GET", _schema),
    "/v1/lineage": Route("GET", _lineage),
    "/docs.json": Route("GET", _description),
    "/schema.json": Route("GET", _for_bentoml),
    "/metrics": Route("GET", _metrics),
    "/ui": Route("GET", _page, open=True),
    "/": Route("GET", _page, open=True),
}
