"""How fast the service is, beside plain Starlette doing the same work in the same run.

    python benchmarks/serve.py --project mine            # about eight minutes; writes results/serve.json
    python benchmarks/serve.py --project mine --seconds 1 --requests 2000     # a look

Both serve the project's champion on loopback, each alone, in turns; wrk (Debian's package) asks and shares the cores.
p50 and p99 are the median over rounds. Ready: from the start of the process to the first 200 of /readyz.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from machine import describe

from ssgan import settings
from ssgan.contract import Contract
from ssgan.process import HOST, Server, free_port, server
from ssgan.project import Project, open_project
from ssgan.ship.champion import require_champion

ROOT = Path(__file__).parents[1]
CLIENTS = (1, 8, 64)
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


def middle(found: list[dict[str, float]]) -> dict[str, float]:
    """The median of each number over rounds; refused answers are summed."""
    told = {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}
    return told | {"refused": sum(each["refused"] for each in found)}


def measure(project: Project, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """All loads on all kinds, in turns."""
    lua = script(folder, json.dumps(records(project, 1)[0]))
    kinds: dict[str, dict[str, object]] = {"ssgan": {}, "plain": {}, "ssgan, log on": {"log": True}}
    loads: dict[str, dict[int, list[dict[str, float]]]] = {kind: {c: [] for c in CLIENTS} for kind in kinds}
    ready: dict[str, list[float]] = {kind: [] for kind in kinds}
    rest: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(arguments.rounds):
        for kind, knobs in kinds.items():
            with running(kind, project, folder, knobs) as (found, seconds):
                ready[kind].append(seconds)
                wrk(f"{found.url}/v1/predict", lua, 8, 1)  # warm
                rest[kind].append(memory(found))
                for clients in CLIENTS:
                    load = wrk(f"{found.url}/v1/predict", lua, clients, arguments.seconds)
                    loads[kind][clients].append(load)
                    print(number, kind, clients, load, flush=True)
    return {
        kind: {
            "ready_seconds": round(statistics.median(ready[kind]), 2),
            "memory_mib": round(statistics.median(rest[kind])),
            **{f"{clients} clients": middle(loads[kind][clients]) for clients in CLIENTS},
        }
        for kind in kinds
    }


def lasting(project: Project, folder: Path, requests: int) -> dict[str, object]:
    """Memory over many requests, and many records at once."""
    lua = script(folder, json.dumps(records(project, 1)[0]))
    with running("ssgan", project, folder, {"body_at_most_mb": 20}) as (found, _):
        url = f"{found.url}/v1/predict"
        wrk(url, lua, 8, 1)  # warm
        sizes, done = [(0, round(memory(found), 1))], 0.0
        while done < requests:
            done += wrk(url, lua, 8, 5 if requests > 20_000 else 1)["requests"]
            sizes.append((round(done), round(memory(found), 1)))
        body = json.dumps({"records": records(project, 10_000)}).encode()
        many = [post(f"{found.url}/v1/predict_many", body) for _ in range(7)]
    return {
        "requests": sizes[-1][0],
        "memory_mib": [size for _, size in sizes],
        "growth": round(max(size for _, size in sizes) / sizes[0][1] - 1, 4),
        "predict_many_10000_seconds": round(statistics.median(many), 3),
    }


def switching(project: Project, folder: Path) -> dict[str, float]:
    """Seconds of the commands `ssgan promote` and `ssgan rollback`, on a copy, whose model is there a second time."""
    copy = Project(folder / "copy")
    shutil.copytree(project.root, copy.root, symlinks=True)
    model = copy.root / require_champion(project).model
    shutil.copytree(model, model.with_name("again"))
    found: dict[str, list[float]] = {"promote": [], "rollback": []}
    for verb, times in [*found.items()] * 3:
        names = [f"{model.parent.name}:again"] if verb == "promote" else []
        started = time.perf_counter()
        command = [sys.executable, "-m", "ssgan", verb, "-C", str(copy.root), *names]
        subprocess.run(command, capture_output=True, check=True, env=settings.environment())
        times.append(time.perf_counter() - started)
    return {verb: round(statistics.median(times), 2) for verb, times in found.items()}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", type=Path, required=True, help="with a champion, such as one of `ssgan demo`")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100_000)
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: `apt-get install wrk`")
    project = open_project(arguments.project)
    with tempfile.TemporaryDirectory() as name:
        found: dict[str, object] = {"machine": describe(), "load_average": round(os.getloadavg()[0], 1)}
        found["columns"] = len(records(project, 1)[0])
        found["loads"] = loads = measure(project, Path(name), arguments)
        found["lasting"] = lasting(project, Path(name), arguments.requests)
        found["seconds"] = switching(project, Path(name))
    rates = {
        clients: [loads[kind][f"{clients} clients"]["requests_per_second"] for kind in loads]  # type: ignore[index]
        for clients in CLIENTS
    }
    found["share_of_plain"] = {clients: round(ours / plain, 3) for clients, (ours, plain, _) in rates.items()}
    found["log_slows_by"] = {clients: round(1 - logged / ours, 3) for clients, (ours, _, logged) in rates.items()}
    text = json.dumps(found, indent=2)
    Path(__file__).with_name("results").joinpath("serve.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
