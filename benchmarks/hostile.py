"""What the service does when it is attacked: over real HTTP, with counts, peak memory, and a good request after each.

python benchmarks/hostile.py --project mine             # about six minutes; writes results/hostile.json
python benchmarks/hostile.py --project mine --bodies 800 --gigabytes 0.05
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bad_files import bad_files
from machine import describe
from mutations import mutated
from served import memory, records, running

from ssgan.process import Server
from ssgan.project import Project, open_project

JSON = {"content-type": "application/json"}
RESULTS = Path(__file__).parent / "results" / "hostile.json"
Counts = Counter[str]


class Target:
    """The service under attack."""

    def __init__(self, server: Server, good: bytes) -> None:
        self.server, self.good = server, good
        parts = urlsplit(server.url)
        self.address = (str(parts.hostname), int(parts.port or 80))

    def ask(self, path: str, body: object, headers: dict[str, str], seconds: float = 60) -> str:
        """The status as text; "closed" where the service has ended the connection instead."""
        link = http.client.HTTPConnection(*self.address, timeout=seconds)
        try:
            chunked = not isinstance(body, bytes)
            link.request("POST", path, body, headers, encode_chunked=chunked)  # type: ignore[arg-type]
            answer = link.getresponse()
            answer.read()
            return str(answer.status)
        except (ConnectionError, http.client.HTTPException, TimeoutError):
            return self._early(link)
        finally:
            link.close()

    @staticmethod
    def _early(link: http.client.HTTPConnection) -> str:
        """A service that refuses a large body answers before it has all of it."""
        with contextlib.suppress(Exception):
            head = link.sock.recv(64)
            return head.split()[1].decode()
        return "closed"

    def is_well(self) -> bool:
        """Whether a good request is answered."""
        return self.ask("/v1/predict", self.good, JSON) == "200"

    def peak(self, attack: Callable[[], Counts]) -> tuple[Counts, float]:
        """Runs an attack, and gives the largest resident MiB of the server meanwhile."""
        sizes, done = [memory(self.server)], threading.Event()

        def look() -> None:
            while not done.wait(0.02):
                sizes.append(memory(self.server))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            return attack(), max(sizes)
        finally:
            done.set()
            watcher.join()


def bodies(target: Target, known: list[dict[str, object]], count: int) -> Counts:
    """Mutated bodies, on one connection after another."""
    found: Counts = Counter()
    link = http.client.HTTPConnection(*target.address, timeout=60)
    for _, path, body in mutated(known, count):
        try:
            link.request("POST", path, body, JSON)
            answer = link.getresponse()
            answer.read()
            found[str(answer.status)] += 1
            if answer.getheader("connection") == "close":
                link.close()
        except (ConnectionError, http.client.HTTPException):
            found["closed"] += 1
            link.close()
    link.close()
    return found


def plain(target: Target, size: int) -> Counts:
    """A large body with its length."""
    return Counter([target.ask("/v1/predict_many", _Zeros(size), {**JSON, "content-length": str(size)})])


def chunked(target: Target, size: int) -> Counts:
    """A large body in chunks, which says nothing of its length."""
    return Counter([target.ask("/v1/predict_many", _pieces(size), {**JSON, "transfer-encoding": "chunked"})])


class _Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        part = min(self._left, size if size > 0 else self._left)
        self._left -= part
        return b" " * part


def _pieces(size: int) -> Iterator[bytes]:
    for _ in range(size >> 20):
        yield b" " * (1 << 20)


def slow_heads(target: Target, count: int) -> Counts:
    """Connections that send a head one byte at a time and never end it; a good request every second meanwhile."""
    found: Counts = Counter()
    links = [socket.create_connection(target.address, timeout=5) for _ in range(count)]
    for link in links:
        with contextlib.suppress(OSError):
            link.send(b"GET / HTTP/1.1\r\nx-slow: ")
    deadline = time.monotonic() + 14
    while time.monotonic() < deadline:
        for link in links:
            with contextlib.suppress(OSError):
                link.send(b"a")
        found["good answers meanwhile" if target.is_well() else "good requests unanswered"] += 1
        time.sleep(1)
    for link in links:
        found["closed by the service" if _is_closed(link) else "still open"] += 1
        link.close()
    return found


def slow_bodies(target: Target, count: int) -> Counts:
    """Requests whose body never comes to its end."""
    head = b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{"
    links = [socket.create_connection(target.address, timeout=30) for _ in range(count)]
    for link in links:
        link.sendall(head)
    found = Counter(link.recv(64).split()[1].decode() for link in links)
    for link in links:
        link.close()
    return found


def _is_closed(link: socket.socket) -> bool:
    link.settimeout(0.1)
    try:
        return link.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def files(target: Target, _: int) -> Counts:
    """Parquet and PNG bombs, false formats, names that lead elsewhere."""
    return Counter(target.ask("/v1/predict_file", body, headers) for body, headers in bad_files())


def wide(target: Target, _: int) -> Counts:
    """Bodies within the cap that unpack to as much as they can."""
    empty = b'{"records": [' + b"[]," * 3_000_000 + b"[]]}"
    names = b'{"records": [{' + b",".join(b'"%x":1' % number for number in range(900_000)) + b"}]}"
    return Counter(target.ask("/v1/predict_many", body, JSON) for body in (empty, names, b"[" * 10_000_000))


def table(found: dict[str, Any]) -> str:
    """The results as docs/security.md has them."""
    lines = [
        "| attack | answers, by status | peak memory, times that at rest | a good request right after |",
        "| --- " * 4 + "|",
    ]
    for attack, told in found["attacks"].items():
        counts = ", ".join(f"{status}: {count:,}" for status, count in sorted(told["answers"].items()))
        after = "yes" if told["good_request_after"] else "no"
        lines.append(f"| {attack} | {counts} | {told['times_memory_at_rest']} | {after} |")
    return "\n".join(lines)


def main() -> None:
    """Attacks, prints and writes; ends with 1 if the service failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--bodies", type=int, default=50_000)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    arguments = parser.parse_args()
    project: Project = open_project(arguments.project)
    known = records(project, 20)
    size = int(arguments.gigabytes * 2**30)
    with tempfile.TemporaryDirectory() as name, running("ssgan", project, Path(name), {}) as (server, _):
        target = Target(server, json.dumps(known[0]).encode())
        attacks: dict[str, Callable[[], Counts]] = {
            f"{arguments.bodies} mutated bodies": lambda: bodies(target, known, arguments.bodies),
            f"a body of {arguments.gigabytes:g} GiB": lambda: plain(target, size),
            f"a body of {arguments.gigabytes:g} GiB, chunked": lambda: chunked(target, size),
            "10 MB that unpack to millions of values": lambda: wide(target, 0),
            "files: bombs, bent, misnamed": lambda: files(target, 0),
            "1000 connections with half a head": lambda: slow_heads(target, 1_000),
            "50 requests with half a body": lambda: slow_bodies(target, 50),
        }
        for _ in range(2_000):
            target.is_well()
        rest = memory(server)
        told = {}
        for attack, run in attacks.items():
            counts, peak = target.peak(run)
            told[attack] = {
                "answers": dict(counts),
                "peak_memory_mib": round(peak),
                "times_memory_at_rest": round(peak / rest, 2),
                "good_request_after": target.is_well(),
            }
            print(attack, told[attack], flush=True)
        log = (Path(name) / "ssgan.log").read_text(encoding="utf-8", errors="replace")
    found = {"machine": describe(), "memory_at_rest_mib": round(rest), "attacks": told}
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(table(found))
    failures = [each for each in told.values() if "500" in each["answers"] or not each["good_request_after"]]
    if failures or re.search("Traceback", log):
        sys.exit(f"the service failed:\n{log[-3000:]}")


if __name__ == "__main__":
    main()
