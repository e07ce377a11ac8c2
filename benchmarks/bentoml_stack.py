"""What each part that BentoML puts around a request costs: processor time of one empty request, in process.

    python benchmarks/bentoml_stack.py     # a minute; writes results/bentoml_stack.json

Every variant runs in a process of its own; the best of ten rounds of 200 requests is told, in microseconds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from machine import describe

OFF: dict[str, Any] = {
    "logging": {"access": {"enabled": False}},
    "metrics": {"enabled": False},
    "tracing": {"excluded_urls": ".*"},
}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "no BentoML: plain Starlette": ("plain", {}),
    "a door before all that is BentoML's, as the service has it": ("before", OFF),
    "a door before BentoML's router": ("door", OFF),
    "a mounted route": ("mounted", OFF),
    "a mounted route, metrics on": ("mounted", OFF | {"metrics": {"enabled": True}}),
    "a mounted route, tracing on": ("mounted", OFF | {"tracing": {"sample_rate": 0.0}}),
    "a mounted route, access log on": ("mounted", OFF | {"logging": {"access": {"enabled": True}}}),
    "a BentoML endpoint": ("endpoint", OFF),
    "a BentoML endpoint, everything on as it comes": ("endpoint", {}),
}
BODY = json.dumps({f"column_{number}": 1.5 for number in range(30)}).encode()
HEADERS = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


def application(kind: str, knobs: dict[str, Any]) -> Any:
    """An ASGI application that reads a body of 30 numbers and answers a few bytes."""
    import bentoml
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    async def answer(request: Any) -> Response:
        json.loads(await request.body())
        return Response(b'{"ok":1}', media_type="application/json")

    plain = Starlette(routes=[Route("/predict", answer, methods=["POST"])])
    if kind == "plain":
        return plain

    class Empty:
        """Nothing of its own."""

    class Endpoint:
        """One endpoint."""

        @bentoml.api(route="/predict")
        async def predict(self, record: dict[str, Any], /) -> dict[str, Any]:  # noqa: ARG002
            return {"ok": 1}

    made = bentoml.service(Endpoint if kind == "endpoint" else Empty, name="empty", **knobs)
    if kind == "mounted":
        made.mount_asgi_app(plain, path="/")
    if kind == "door":
        made.add_asgi_middleware(lambda app: _door(app, plain))
    app = made.to_asgi()
    return Before(app, plain) if kind == "before" else app


class Before:
    """The plain application; BentoML's has the life span alone."""

    def __init__(self, app: Any, plain: Any) -> None:
        self.router = app.router
        self._door = _door(app, plain)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        await self._door(scope, receive, send)


def _door(app: Any, plain: Any) -> Any:
    async def door(scope: Any, receive: Any, send: Any) -> None:
        await (plain if scope["type"] == "http" else app)(scope, receive, send)

    return door


async def one(app: Any) -> int:
    """One request; returns the status."""
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/predict"},
        **{"raw_path": b"/predict", "query_string": b"", "root_path": "", "scheme": "http", "headers": HEADERS},
        **{"client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 3000), "state": {}},
    }
    told: list[Any] = []
    given = [{"type": "http.request", "body": BODY, "more_body": False}]

    async def receive() -> Any:
        return given.pop() if given else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)
    return int(told[0]["status"])


async def measured(app: Any) -> float:
    """Microseconds of processor time."""
    async with app.router.lifespan_context(app):
        if await one(app) != 200:
            sys.exit("the request was refused")
        best = float("inf")
        for _ in range(10):
            start = time.process_time()
            for _ in range(200):
                await one(app)
            best = min(best, (time.process_time() - start) / 200)
    return best * 1e6


def main() -> None:
    """Measures, prints and writes; with the name of a variant, measures that one here."""
    if len(sys.argv) > 1:
        kind, knobs = VARIANTS[sys.argv[1]]
        logging.getLogger("bentoml").setLevel(logging.INFO)
        print(asyncio.run(measured(application(kind, knobs))))
        return
    found: dict[str, int] = {}
    for name in VARIANTS:
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
        found[name] = round(float(done.stdout.splitlines()[-1]))
        print(name, found[name], flush=True)
    told = {"machine": describe(), "microseconds_per_request": found}
    path = Path(__file__).with_name("results") / "bentoml_stack.json"
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
