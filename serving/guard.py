"""Who may ask, how often, how much, and for how long: everything that is looked at before a body is read."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import Receive, Scope

from serving.refusal import Refusal
from ssgan.config import ServeParams
from ssgan.errors import UserError
from ssgan.ship.keys import Keys, owner_of, parse_keys, read_keys

KEYS_VARIABLE = "SSGAN_KEYS"  # `name:sha256,name:sha256`, where there is no file
CALLERS_AT_MOST = 10_000  # whose rates are remembered

_log = logging.getLogger("ssgan.service")


class ClientGone(Exception):
    """The client has left; there is nobody to answer."""


class Guard:
    """Keys, rates, the number of requests under way, and the size and time of a body."""

    def __init__(self, params: ServeParams, keys_file: Path | None) -> None:
        self._params = params
        self._keys_file = keys_file
        self._keys = self._read_keys()
        self._rates: OrderedDict[str, tuple[float, float]] = OrderedDict()  # caller -> tokens left, when
        self.under_way = 0
        self.body_at_most = int(params.body_at_most_mb * 2**20)

    @property
    def asks_for_keys(self) -> bool:
        """Whether there are any to ask for."""
        return self._keys is not None

    def follow_keys(self) -> None:
        """Reads the file of keys again; one that cannot be read changes nothing."""
        try:
            self._keys = self._read_keys()
        except UserError as error:
            _log.warning("the keys stay as they were: %s", error)

    def caller(self, scope: Scope) -> str:
        """The name of the key, or the address where nobody needs one.

        Raises:
            Refusal: 401.
        """
        if self._keys is None:
            return str((scope.get("client") or ("unknown",))[0])
        owner = owner_of(_given_key(scope), self._keys)
        if owner is None:
            text = "the key is missing or not known; send it as `x-api-key: KEY` or `authorization: Bearer KEY`"
            raise Refusal(401, text, headers={"www-authenticate": "Bearer"})
        return owner

    def count(self, caller: str) -> None:
        """Takes one token of the caller's, who gets `requests_per_second` of them back, and holds one second's worth.

        Raises:
            Refusal: 429 with the time to wait.
        """
        rate = self._params.requests_per_second
        if rate is None:
            return
        now, most = time.monotonic(), max(1.0, rate)
        left, then = self._rates.pop(caller, (most, now))
        left = min(most, left + (now - then) * rate)
        self._rates[caller] = (max(0.0, left - 1), now)
        if len(self._rates) > CALLERS_AT_MOST:
            self._rates.popitem(last=False)
        if left < 1:
            self._rates[caller] = (left, now)
            wait = max(1, round((1 - left) / rate + 0.5))
            raise Refusal(429, f"more than {rate:g} requests per second; wait", headers={"retry-after": str(wait)})

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Counts a request as under way.

        Raises:
            Refusal: 503 if there are too many.
        """
        if self.under_way >= self._params.at_once_at_most:
            text = f"{self.under_way} requests are under way, which is all that are answered at once; come again"
            raise Refusal(503, text, headers={"retry-after": "1"})
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, chunked or not.

        Raises:
            Refusal: 400, 408 or 413.
            ClientGone: if the client leaves before it has sent everything.
        """
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit():
            raise Refusal(400, "content-length is not a number; send the length in bytes")
        if int(declared[:20]) > self.body_at_most:
            raise self._too_large()
        seconds = self._params.body_seconds_at_most
        try:
            async with asyncio.timeout(seconds):
                return await self._read(receive)
        except TimeoutError:
            raise Refusal(408, f"the body must arrive within {seconds:g} s; send it again") from None

    async def _read(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size > self.body_at_most:
                raise self._too_large()
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is larger than {self.body_at_most} bytes; send fewer records")

    def _read_keys(self) -> Keys | None:
        if self._keys_file is not None:
            return read_keys(self._keys_file)
        text = os.environ.get(KEYS_VARIABLE)
        if text is None:
            return None
        keys = parse_keys(text)
        if not keys:  # such as `$(paste -sd, keys.txt)` of a file that is not there: nobody wants an open door then
            raise UserError(f"{KEYS_VARIABLE} is set and holds no key; give it a line of `ssgan key`, or do not set it")
        return keys


def _given_key(scope: Scope) -> bytes:
    headers = dict(scope["headers"])
    bearer: bytes = headers.get(b"authorization", b"")
    if bearer[:7].lower() == b"bearer ":
        return bearer[7:].strip()
    return bytes(headers.get(b"x-api-key", b""))
