"""Images with few labels, on an accelerator: the product, its ablations and its rivals, many label draws.

    KERAS_BACKEND=jax python benchmarks/gpu_accuracy.py --data DIR --parts svhn mnist few rivals long --at-once 8

svhn    five splits, 250, 500 and 1000 labels: the product, without its real/fake term, and its supervised twin
mnist   ten draws, 20 and 100 labels: the same three
few     MNIST, 20 labels, ten draws: the product that is not to ask whether the rest has the labels' shares of classes,
        with its real/fake term and without
alone   MNIST with 100 labels and SVHN with 1000, five draws: the real/fake term at weight 1, and no consistency
rivals  Mean Teacher, ICT and VAT on SVHN's splits, on the same trunk, each at the weight (of WEIGHTS) that has the
        least mean error on three draws of training images held out, with 1000 labels
long    MNIST, 100 labels, ten draws: four times the steps, with and without the real/fake term
precise MNIST and SVHN in bfloat16, to be held against float32

Protocol: pictures.py; held-out images: choose_pictures.py. DIR as for accuracy_mnist.py and accuracy_svhn.py. Each run
is a process; several share the card, so seconds are those of a shared card. A finished run is a line in results/cache:
a command that was stopped, or whose `--seconds` are over, goes on where it was. Without an accelerator it runs too.
Results: benchmarks/results/gpu_accuracy.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import accuracy_mnist
import accuracy_svhn
import numpy as np
from choose_pictures import held_out
from grid import RESULTS, Cache, Key
from machine import describe
from pictures import METHODS, one

NAME = "gpu_accuracy"
TABLES = {"mnist": accuracy_mnist.TABLE, "svhn": accuracy_svhn.TABLE}
OURS = ("ssgan", "a = 0", "twin")
WEIGHTS = {"mean teacher": (2.0, 5.0, 15.0), "ict": (1.0, 2.0, 5.0, 15.0, 50.0), "vat": (0.3, 1.0, 3.0)}
HELD_OUT = (100, 101, 102)  # draws of labels that no table has
LONG = 20_000  # steps
LIMIT = 900  # seconds of one run


@dataclass(frozen=True)
class Job:
    """One run. Of a draw from 100 on, the images that judge are training images held out."""

    set: str
    labels: int
    draw: int
    method: str
    steps: int
    knobs: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Of its line in the cache."""
        own = "".join(f", {name} {value}" for name, value in self.knobs.items())
        return f"{self.set}, {self.steps} steps{own}", self.labels, self.draw, self.method


def run(job: Job, folder: Path) -> dict[str, Any]:
    """In this process."""
    table = TABLES[job.set]
    if job.draw in HELD_OUT:
        draw = held_out(job.set, folder, job.labels, job.draw)
    else:
        draw = table.draw(folder, job.labels, job.draw)
    return one(draw, job.draw, **{**METHODS[job.method], **job.knobs, "steps": job.steps})


def grid(
    name: str, labels: Sequence[int], draws: int, methods: Sequence[str], steps: int = 0, **knobs: Any
) -> Iterator[Job]:
    """Draw by draw, so that what is stopped early has all methods of the draws that it has."""
    for draw in range(draws):
        for each in labels:
            for method in methods:
                yield Job(name, each, draw, method, steps or TABLES[name].steps, knobs)


def of_rivals(weights: dict[str, float]) -> Iterator[Job]:
    """SVHN's splits, at a weight for each method."""
    for method, weight in weights.items():
        yield from grid("svhn", (1000, 250, 500), 5, (method,), consistency_weight=weight)


def choosing() -> list[Job]:
    """The runs that choose the rivals' weights."""
    return [
        Job("svhn", 1000, draw, method, TABLES["svhn"].steps, {"consistency_weight": weight})
        for draw in HELD_OUT
        for method, several in WEIGHTS.items()
        for weight in several
    ]


PARTS: dict[str, Callable[[], Iterable[Job]]] = {
    "svhn": lambda: grid("svhn", (1000, 250, 500), 5, OURS),
    "mnist": lambda: grid("mnist", (100, 20), 10, OURS),
    "few": lambda: grid("mnist", (20,), 10, ("free", "free, a = 0")),
    "alone": lambda: itertools.chain(
        grid("mnist", (100,), 5, ("no consistency",), gan_weight=1.0),
        grid("svhn", (1000,), 5, ("no consistency",), gan_weight=1.0),
    ),
    "long": lambda: grid("mnist", (100,), 10, ("ssgan", "a = 0"), LONG),
    "precise": lambda: itertools.chain(
        grid("svhn", (1000,), 5, ("ssgan",), precision="bfloat16"),
        grid("mnist", (100,), 10, ("ssgan",), precision="bfloat16"),
    ),
    "rivals": choosing,
}


class Runs:
    """Runs jobs, several at a time, as long as there is time; what is done is in the cache."""

    def __init__(self, data: Path, at_once: int, seconds: float) -> None:
        self.cache = Cache(NAME)
        self._data, self._end = data, time.monotonic() + seconds
        self._threads = ThreadPoolExecutor(at_once)

    def start(self, jobs: Iterable[Job]) -> list[Future[None]]:
        """Those that the cache does not have, in their order."""
        return [self._threads.submit(self._do, job) for job in jobs if job.key not in self.cache.found]

    def _do(self, job: Job) -> None:
        left = self._end - time.monotonic()
        if left <= 0:
            return
        command = [sys.executable, __file__, "--data", str(self._data), "--one", json.dumps(asdict(job))]
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=min(left, LIMIT), check=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"{job.key}: {error.__class__.__name__}", flush=True)
            return
        scores = json.loads(done.stdout.splitlines()[-1])
        self.cache.add(job.key, scores)
        print(f"{job.key}: {scores}", flush=True)


def chosen(cache: Cache) -> dict[str, dict[float, list[float]]]:
    """Per rival and weight the errors on images held out, of weights that all draws have been run with."""
    errors: dict[str, dict[float, list[float]]] = {method: {} for method in WEIGHTS}
    for job in choosing():
        if job.key in cache.found:
            errors[job.method].setdefault(job.knobs["consistency_weight"], []).append(cache.found[job.key]["error"])
    return {
        method: {weight: each for weight, each in found.items() if len(each) == len(HELD_OUT)}
        for method, found in errors.items()
    }


def best(errors: dict[str, dict[float, list[float]]]) -> dict[str, float]:
    """The weight with the least mean error, of each rival."""
    return {
        method: min(found, key=lambda each: float(np.mean(found[each]))) for method, found in errors.items() if found
    }


def summary(cache: Cache) -> dict[str, Any]:
    """Per set, steps and knobs, labels and method: errors in percent, their mean and deviation, seconds of a run."""
    tables: dict[str, Any] = {}
    for (name, labels, draw, method), scores in sorted(cache.found.items()):
        if draw not in HELD_OUT:
            row = tables.setdefault(name, {}).setdefault(str(labels), {}).setdefault(method, {"draws": {}, "took": []})
            row["draws"][str(draw)] = scores["error"]
            row["took"].append(scores["seconds"])
            row["device"] = scores["device"]
    for row in (row for table in tables.values() for rows in table.values() for row in rows.values()):
        errors = list(row["draws"].values())
        row |= {"mean": round(float(np.mean(errors)), 3), "deviation": round(float(np.std(errors)), 3)}
        row["seconds, on a shared card"] = round(float(np.median(row.pop("took"))), 1)
    return {"machine": describe(), "held out, by weight": chosen(cache), "tables": tables}


def main() -> None:
    """Runs what is asked for, prints and writes the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the downloaded sets")
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--at-once", type=int, default=8, help="runs that share the card")
    parser.add_argument("--seconds", type=float, default=1e9, help="after which no run is begun, and none goes on")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(run(Job(**json.loads(given.one)), given.data)))
        return
    runs = Runs(given.data, given.at_once, given.seconds)
    started: list[Future[None]] = []
    for part in given.parts:
        these = runs.start(PARTS[part]())
        if part == "rivals":
            wait(these)
            these = runs.start(of_rivals(best(chosen(runs.cache))))
        started += these
    wait(started)
    result = summary(runs.cache)
    (RESULTS / f"{NAME}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name, table in result["tables"].items():
        for labels, rows in table.items():
            for method, row in rows.items():
                score = f"{row['mean']:6.2f} ± {row['deviation']:.2f}  {len(row['draws'])} draws"
                print(f"{name:40} {labels:>5} {method:14} {score}")


if __name__ == "__main__":
    main()
