"""How fast the service is, beside plain Starlette doing the same work in the same run.

    python benchmarks/serve.py --project mine            # about ten minutes; writes results/serve.json
    python benchmarks/serve.py --project mine --parts log --turns 30     # what the prediction log costs, alone
    python benchmarks/serve.py --project mine --seconds 1 --requests 2000     # a look

Both serve the project's champion on loopback, each alone, in turns; wrk (Debian's package) asks and shares the cores.
p50 and p99 are the median over rounds. Ready: from the start of the process to the first 200 of /readyz.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from machine import describe
from served import get, memory, post, processor, records, running, script, wrk

from ssgan import settings
from ssgan.project import Project, open_project
from ssgan.ship.champion import require_champion

CLIENTS = (1, 8, 64)
PARTS = ("loads", "log", "lasting", "seconds")


def middle(found: list[dict[str, float]]) -> dict[str, float]:
    """The median of each number over rounds; refused answers are summed."""
    told = {name: round(statistics.median(each[name] for each in found), 3) for name in found[0]}
    return told | {"refused": sum(each["refused"] for each in found)}


def measure(project: Project, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """All loads on all kinds, in turns."""
    lua = script(folder, json.dumps(records(project, 1)[0]))
    kinds: dict[str, dict[str, object]] = {"ssgan": {}, "plain": {}}
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
    told: dict[str, object] = {
        kind: {
            "ready_seconds": round(statistics.median(ready[kind]), 2),
            "memory_mib": round(statistics.median(rest[kind])),
            **{f"{clients} clients": middle(loads[kind][clients]) for clients in CLIENTS},
        }
        for kind in kinds
    }
    return told | {"share_of_plain": share_of_plain(loads)}


def share_of_plain(loads: dict[str, dict[int, list[dict[str, float]]]]) -> dict[str, float]:
    """The service's requests/s by those of plain Starlette, medians over rounds."""
    ours, plain = (
        [middle(loads[kind][clients])["requests_per_second"] for clients in CLIENTS] for kind in ("ssgan", "plain")
    )
    return {f"{clients} clients": round(a / b, 3) for clients, a, b in zip(CLIENTS, ours, plain, strict=True)}


def logging(project: Project, folder: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """What the prediction log costs: both services run all the time, and are asked in turns of a second."""
    body = json.dumps(records(project, 1)[0]).encode()
    lua = script(folder, body.decode())
    log = project.runtime / "predictions"
    kept = set(log.glob("*"))
    with (
        running("ssgan", project, folder / "off", {}) as (off, _),
        running("ssgan", project, folder / "on", {"log": True}) as (on, _),
    ):
        both, urls = (off, on), [f"{each.url}/v1/predict" for each in (off, on)]
        for url in urls:
            wrk(url, lua, 8, 1)  # warm
        found: dict[str, object] = {}
        for clients in CLIENTS:
            loads: list[list[dict[str, float]]] = [[], []]
            before = [processor(each) for each in both]
            for number in range(arguments.turns):
                for place in (0, 1) if number % 2 else (1, 0):
                    loads[place].append(wrk(urls[place], lua, clients, 1))
            without, logged = map(middle, loads)
            told: dict[str, object] = {"off": without, "on": logged}
            fewer = [1 - b["requests_per_second"] / a["requests_per_second"] for a, b in zip(*loads, strict=True)]
            slower = [b["p50_ms"] / a["p50_ms"] - 1 for a, b in zip(*loads, strict=True)]
            for name, shares in (("fewer_requests", fewer), ("slower_p50", slower)):
                told |= {name: round(statistics.median(shares), 4), f"{name}_noise": round(noise(shares), 4)}
            for name, each, was, done in zip(("off", "on"), both, before, loads, strict=True):
                requests = sum(load["requests"] for load in done)
                told[f"processor_us_{name}"] = [
                    round((now - then) / requests * 1e6, 1) for now, then in zip(processor(each), was, strict=True)
                ]
            print(clients, told, flush=True)
            found[f"{clients} clients"] = told
        times = in_turns(urls, body, arguments.spaced)
        found["spaced"] = {"requests_per_second_each": 100, "requests": arguments.spaced} | {
            f"{name}_ms": [round(float(pd.Series(each).quantile(share)) * 1e3, 3) for share in (0.5, 0.99)]
            for name, each in zip(("off", "on"), times, strict=True)
        }
        dropped = re.search(r'background_dropped_total{task="log"} (\d+)', get(f"{on.url}/metrics"))
        found["not_logged"] = int(dropped[1]) if dropped else 0
    for path in set(log.glob("*")) - kept:
        path.unlink()
    return found


def noise(shares: list[float]) -> float:
    """The standard error of their median, by the bootstrap."""
    drawn = np.random.default_rng(0).choice(shares, (2000, len(shares)))
    return float(np.median(drawn, axis=1).std())


def in_turns(urls: list[str], body: bytes, count: int) -> list[list[float]]:
    """Seconds of each of `count` requests to each url, 200 a second, one after the other."""
    headers = {"content-type": "application/json"}
    times: list[list[float]] = [[] for _ in urls]
    doors = [http.client.HTTPConnection(*urllib.parse.urlsplit(url).netloc.split(":")) for url in urls]  # type: ignore[arg-type]
    for number in range(2 * count):
        time.sleep(0.005)
        started = time.perf_counter()
        doors[number % 2].request("POST", "/v1/predict", body, headers)
        doors[number % 2].getresponse().read()
        times[number % 2].append(time.perf_counter() - started)
    return times


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


def switching(project: Project, folder: Path) -> dict[str, object]:
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
    parser.add_argument("--turns", type=int, default=24, help="of a second, with and without the prediction log")
    parser.add_argument("--spaced", type=int, default=2_000, help="requests with time between them, for each")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=PARTS, help="measured now; others stay as they are"
    )
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: `apt-get install wrk`")
    project = open_project(arguments.project)
    results = Path(__file__).with_name("results") / "serve.json"
    found = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    found |= {"machine": describe(), "columns": len(records(project, 1)[0])}
    measures: dict[str, Callable[[Path], dict[str, object]]] = {
        "loads": lambda folder: measure(project, folder, arguments),
        "log": lambda folder: logging(project, folder, arguments),
        "lasting": lambda folder: lasting(project, folder, arguments.requests),
        "seconds": lambda folder: switching(project, folder),
    }
    for part in arguments.parts:
        load = round(os.getloadavg()[0], 1)
        with tempfile.TemporaryDirectory() as name:
            found[part] = measures[part](Path(name)) | {"load_average_before": load}
        text = json.dumps(found, indent=2)
        results.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
