"""What BentoML leaves open: no cap on the body of a request, and an index page that loads trackers from a network."""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Guard:
    """Refuses a body over `body_at_most` bytes with 413, chunked or not, and sends `/` to the API's description."""

    def __init__(self, app: ASGIApp, body_at_most: int) -> None:
        self.app = app
        self.body_at_most = body_at_most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == "/":
            await RedirectResponse("docs.json")(scope, receive, send)
        else:
            await self._capped(scope, receive, send)

    async def _capped(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit():
            await _refuse(400, "content-length is not a number; send the length in bytes")(scope, receive, send)
            return
        try:
            body = None if int(declared) > self.body_at_most else await _read(receive, self.body_at_most)
        except ClientDisconnect:
            return
        if body is None:
            text = f"the body is larger than {self.body_at_most} bytes; send fewer records"
            await _refuse(413, text)(scope, receive, send)
            return
        await self.app(scope, _replay(body, receive), send)


def _refuse(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status)


async def _read(receive: Receive, at_most: int) -> bytes | None:
    """The whole body, or None as soon as it is too large.

    Raises:
        ClientDisconnect: if the client leaves before it has sent everything.
    """
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > at_most:
            return None
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body as one message, then whatever the client sends, such as a disconnect."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return pending.pop() if pending else await receive()

    return next_message
