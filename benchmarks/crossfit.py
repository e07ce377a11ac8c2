"""What crossfit costs: the time of K folds' models over that of the one model of all labels.

    python benchmarks/crossfit.py     # about three minutes; writes results/crossfit.json

One model is all that leads to it: its teacher, the networks, the compilation, the steps. The folds are what crossfit
adds in the same process: K teachers, K times the steps, and the answers about the rows that each had not seen. Both are
wall seconds from encoded rows on, without the import of the backend and without the export.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from machine import describe

from ssgan import settings

EXAMPLES, BACKENDS, LIMIT = ("cancer", "diabetes"), ("tensorflow", "jax"), 1.6


def child(folder: Path, with_folds: bool) -> dict[str, float]:
    """Trains in this process, and says how long it took."""
    from ssgan.config import read_params
    from ssgan.learn.fit import finish
    from ssgan.learn.folds import Folds, Kept
    from ssgan.learn.heads import head_for
    from ssgan.learn.knobs import resolve
    from ssgan.learn.lessons import Lessons
    from ssgan.learn.plan import Plan
    from ssgan.learn.prepare import is_labelled
    from ssgan.learn.run import Run
    from ssgan.learn.train import Rows, settle
    from ssgan.project import Project

    project = Project(folder)
    params = read_params(project.params)
    rows = Rows.read(project, params.train.rows)
    known = int(is_labelled(rows.y).sum())
    knobs = resolve(params.train, rows.contract, rows.x)
    settle(rows.encoder, knobs)
    head = head_for(rows.contract, rows.y, knobs.head)
    plan = Plan.of(rows.split, rows.x, rows.y, rows.fold, rows.judged, ())
    folds, whole = Folds(plan, rows), np.ones(known, bool)
    start, before = time.perf_counter(), time.process_time()
    wanted = [whole, *(each.learned for each in folds.subsets("ssgan") if with_folds)]
    with closing(Lessons(rows.x, rows.y, rows.encoder, head, knobs, wanted, rows.fold)) as lessons:
        taught = partial(lessons.of, whole)
        with closing(Run(rows.x, rows.y, rows.encoder, head, knobs, taught)) as run, TemporaryDirectory() as name:
            finish(run, "one model")
            if with_folds:
                folds.add("ssgan", run, lessons, Kept(Path(name), "benchmark"))
    taken = time.perf_counter() - start
    return {"all": taken, "processor": time.process_time() - before, "labelled": known, "rows": len(rows.y)}


def asked(folder: Path, backend: str, with_folds: bool) -> dict[str, float]:
    """What `child` says, from a process of its own."""
    environment = {**settings.environment(), "KERAS_BACKEND": backend}
    flags = ["--folds"] if with_folds else []
    command = [sys.executable, __file__, "--child", str(folder), *flags]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def prepared(example: str, where: Path) -> Path:
    """A project whose rows are prepared."""
    folder, ssgan = where / example, (sys.executable, "-m", "ssgan")
    batches = ("1-good.csv", "2-defects.csv")
    commands = [["init", folder, "--example", example]]
    commands += [["ingest", "-C", folder, folder / "data" / "incoming" / each] for each in batches]
    for command in (*commands, ["prepare", "-C", folder]):
        subprocess.run([*ssgan, *map(str, command)], check=True, capture_output=True, env=settings.environment())
    return folder


def measured(folder: Path, backend: str, rounds: int) -> dict[str, object]:
    """Medians over the rounds, one model and all taking turns."""
    ones, alls = [], []
    for _ in range(rounds):
        ones.append(asked(folder, backend, with_folds=False))
        alls.append(asked(folder, backend, with_folds=True))
    one, everything = (statistics.median(each["all"] for each in found) for found in (ones, alls))
    busy, all_busy = (statistics.median(each["processor"] for each in found) for found in (ones, alls))
    cost = (everything - one) / one
    print(f"{folder.name}, {backend}: one model {one:.2f} s, folds {everything - one:.2f} s: {cost:.2f}x", flush=True)
    return {
        "rows": ones[0]["rows"],
        "labelled": ones[0]["labelled"],
        "one_model_seconds": round(one, 2),
        "folds_seconds": round(everything - one, 2),
        "folds_over_one_model": round(cost, 2),
        "one_model_processor_seconds": round(busy, 2),
        "folds_processor_seconds": round(all_busy - busy, 2),
        "within_limit": cost <= LIMIT,
    }


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--backends", nargs="+", default=BACKENDS)
    arguments.add_argument("--examples", nargs="+", default=EXAMPLES)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--folds", action="store_true", help=argparse.SUPPRESS)
    arguments.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "crossfit.json")
    given = arguments.parse_args()
    if given.child:
        print(json.dumps(child(given.child, given.folds)))
        return
    found: dict[str, object] = {}
    with TemporaryDirectory() as name:
        folders = {example: prepared(example, Path(name)) for example in given.examples}
        load = os.getloadavg()[0]
        for example, folder in folders.items():
            for backend in given.backends:
                found[f"{example}, {backend}"] = measured(folder, backend, given.rounds)
    about = {"folds": 5, "rounds": given.rounds, "limit": LIMIT, "load_at_the_start": round(load, 1)}
    given.out.write_text(json.dumps({"machine": describe(), **about, **found}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
