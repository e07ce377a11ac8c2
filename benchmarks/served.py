"""A served project and what asks it: wrk, single requests; its memory and its processor time."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ssgan import settings
from ssgan.contract import Contract
from ssgan.process import HOST, Server, free_port, server
from ssgan.project import Project
from ssgan.ship.champion import require_champion

ROOT = Path(__file__).parents[1]
UNIT = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def records(project: Project, count: int) -> list[dict[str, object]]:
    """Accepted test rows as JSON has them, repeated until there are enough."""
    folder = project.root / require_champion(project).model
    contract = Contract.model_validate_json((folder / "schema.json").read_text(encoding="utf-8"))
    frame = pd.read_parquet(project.prepared / "test.parquet")[list(contract.features)]
    rows = json.loads(frame.to_json(orient="records"))
    return [rows[number % len(rows)] for number in range(count)]


def script(folder: Path, body: str) -> Path:
    """What wrk sends."""
    (folder / "body.json").write_text(body, encoding="utf-8")
    path = folder / "post.lua"
    path.write_text(
        f'local file = io.open("{folder / "body.json"}", "rb")\n'
        'wrk.method = "POST"\nwrk.body = file:read("*a")\nwrk.headers["content-type"] = "application/json"\n',
        encoding="utf-8",
    )
    return path


@contextlib.contextmanager
def running(kind: str, project: Project, folder: Path, knobs: dict[str, object]) -> Iterator[tuple[Server, float]]:
    """A server of one kind, and the seconds until it was ready."""
    port = free_port()
    champion = require_champion(project)
    environment = settings.environment() | {
        "BENTOML_HOME": str(project.bentos),
        "SSGAN_MODEL_TAG": champion.tag,
        "SSGAN_MODEL": str(project.root / champion.model),
        "SSGAN_PROJECT": str(project.root),
        "SSGAN_SERVE": json.dumps(knobs),
        "PYTHONPATH": str(ROOT),
    }
    at = ["--host", HOST, "--port", str(port)]
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Discriminator", *at]
    if kind == "plain":
        quiet = ["--log-level", "warning", "--no-access-log", "--app-dir", str(ROOT / "benchmarks" / "peers")]
        command = [sys.executable, "-m", "uvicorn", "plain_starlette:app", *at, *quiet]
    url = f"http://{HOST}:{port}"
    folder.mkdir(exist_ok=True)
    started = time.perf_counter()
    with server(command, url, f"{url}/readyz", folder / f"{kind}.log", environment) as found:
        found.wait()
        yield found, time.perf_counter() - started


def wrk(url: str, lua: Path, clients: int, seconds: float) -> dict[str, float]:
    """One load: requests/s, p50 and p99 in ms, and how many answers were not 2xx."""
    command = ["wrk", "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--latency", "-s", str(lua), url]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shares = {p: float(v) * UNIT[u] for p, v, u in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)", text, re.M)}
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    total = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if rate is None or total is None:
        sys.exit(f"wrk said nothing that can be read:\n{text}")
    return {
        "requests_per_second": float(rate[1]),
        "p50_ms": shares["50"],
        "p99_ms": shares["99"],
        "requests": float(total[1]),
        "refused": float(bad[1]) if bad else 0.0,
    }


def memory(found: Server) -> float:
    """Resident MiB of the server's largest process."""
    family = [found.process.pid, *_children(found.process.pid)]
    return max(_resident(pid) for pid in family)


def processor(found: Server) -> tuple[float, float]:
    """Seconds of processor time: of the service, and of the process that writes its log."""
    spent = [0.0, 0.0]
    for pid in (found.process.pid, *_children(found.process.pid)):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        logs = b"serving.logbook" in Path(f"/proc/{pid}/cmdline").read_bytes()
        spent[logs] += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return spent[0], spent[1]


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [each for child in map(int, listed) for each in (child, *_children(child))]


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def post(url: str, body: bytes) -> float:
    """Seconds of one request."""
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    return time.perf_counter() - started


def get(url: str) -> str:
    """What a page says."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text
