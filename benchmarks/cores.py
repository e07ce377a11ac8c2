"""Is a small network quicker where every operation has one core, or where cores divide it? See `tables.is_light`.

    python benchmarks/cores.py     # about two minutes; writes results/cores.json

Milliseconds a step on TensorFlow, on scikit-learn's breast cancer table (30 columns, about 450 numbers a row with
their bins): of one network by itself, and of five that learn at the same time, a core for each. Processes take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from ssgan import settings

WIDTHS, FOLDS, STEPS, WINDOWS = (128, 192, 256, 384, 512), 5, 60, 5
KINDS = {"undivided": "one core for each operation", "divided": "cores divide operations"}


def child(width: int, undivided: bool) -> dict[str, Any]:
    """Medians of windows of `STEPS` steps."""
    from sklearn.datasets import load_breast_cancer

    from ssgan.config import TrainParams
    from ssgan.learn import backend
    from ssgan.learn.encode import Encoder
    from ssgan.learn.heads import head_for
    from ssgan.learn.knobs import resolve
    from ssgan.learn.run import Run
    from ssgan.learn.tables import is_light
    from ssgan.learn.tabular import Layout

    if undivided:
        backend.undivided()
    X, truth = load_breast_cancer(return_X_y=True)
    layout = Layout.of(X)
    contract, columns = layout.contract(X, ("malignant", "benign")), layout.columns(X)
    encoder = Encoder.fit(columns, contract)
    y = np.where(np.arange(len(truth)) < 36, truth, -1)
    knobs = resolve(TrainParams(hidden=(width, width)), contract)
    run = Run(encoder.encode_columns(columns), y, encoder, head_for(contract, y), knobs)
    found = {"light": is_light(encoder, knobs), "one": _paced(lambda: run.advance(0, STEPS))}
    copies = run.copies()
    for fold in range(FOLDS):
        run.begin(np.arange(36) % FOLDS != fold, None)
        copies.put()
    return {**found, "five": _paced(lambda: copies.learn(0, STEPS, STEPS // 2, lambda done, losses: None))}  # noqa: ARG005


def _paced(steps: Any) -> float:
    """Milliseconds a step."""
    steps()  # compiles
    taken = []
    for _ in range(WINDOWS):
        start = time.perf_counter()
        steps()
        taken.append((time.perf_counter() - start) / STEPS)
    return 1000 * statistics.median(taken)


def asked(width: int, kind: str) -> dict[str, Any]:
    """What `child` says, from a process of its own."""
    environment = {**settings.environment(), "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, __file__, "--child", str(width), *(["--undivided"] if kind == "undivided" else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--widths", nargs="+", type=int, default=WIDTHS)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments.add_argument("--undivided", action="store_true", help=argparse.SUPPRESS)
    arguments.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "cores.json")
    given = arguments.parse_args()
    if given.child:
        print(json.dumps(child(given.child, given.undivided)))
        return
    load, rows = os.getloadavg()[0], []
    for width in given.widths:
        found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        for _, kind in product(range(given.rounds), KINDS):
            found[kind].append(asked(width, kind))
        row = {"hidden": f"{width}, {width}", "is_light": found["divided"][0]["light"]}
        for kind, what in product(KINDS, ("one", "five")):
            row[f"{what}, {kind}"] = round(min(each[what] for each in found[kind]), 2)
        print(row, flush=True)
        rows.append(row)
    about = {"kinds": KINDS, "unit": "milliseconds a step", "rounds": given.rounds, "load_at_the_start": round(load, 1)}
    given.out.write_text(json.dumps({"machine": describe(), **about, "networks": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
