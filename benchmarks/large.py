"""Does a million rows of 50 columns train in less than 3 GiB? The stages `prepare` and `train`, as a user runs them.

    python benchmarks/large.py
    python benchmarks/large.py --backend jax --rows held

A project with four accepted batches of random numbers, 1,000 of them labelled, some cells missing. Each stage is a
process of its own; what counts is the most memory that it held, mapped pages of files among it, and the time from its
start to the first steps, imports included. A few hundred steps suffice, because memory does not grow with them.
Results: benchmarks/results/large.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import describe

from ssgan.config import set_knob
from ssgan.contract import GROUP, ROW_ID, Contract
from ssgan.project import Project

FOLDER = Path(__file__).parent
RESULT = FOLDER / "results" / "large.json"
BATCHES = 4


def make_project(root: Path, rows: int, columns: int, labelled: int) -> Project:
    """A project whose data are accepted already."""
    project = Project(root)
    project.accepted.mkdir(parents=True)
    for path in (project.params, project.stages):
        shutil.copy(FOLDER.parent / path.name, path)
    described: dict[str, Any] = {f"x{place}": {"type": "number", "nullable": place < 5} for place in range(columns)}
    label = {"column": "y", "classes": ["down", "up"]}
    contract = Contract.model_validate(
        {"name": "large", "task": "classification", "label": label, "columns": described}
    )
    project.contract.write_text(contract.model_dump_json())
    rng = np.random.default_rng(0)
    for batch in range(BATCHES):
        count = rows // BATCHES
        x = rng.normal(size=(count, columns))
        truth = np.where(x[:, -1] + x[:, -2] > 0, "up", "down").astype(object)
        truth[labelled // BATCHES :] = None
        x[:, :5][rng.random((count, 5)) < 0.05] = np.nan
        frame = pd.DataFrame(x, columns=list(described))
        names = [f"{batch}-{row}" for row in range(count)]
        frame = frame.assign(**{ROW_ID: names, GROUP: names, "y": truth})
        frame.to_parquet(project.accepted / f"batch-{batch}.parquet", index=False)
    return project


def run(project: Project, verb: str) -> dict[str, float]:
    """One stage: seconds, the peak of its memory, and for training the seconds until the first steps are done."""
    start, first = time.perf_counter(), None
    command = [sys.executable, "-m", "ssgan", verb, "-C", str(project.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if first is None and "steps/s" in line:
            first = time.perf_counter() - start
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"`ssgan {verb}` ended with {process.returncode}")
    found = {"seconds": round(time.perf_counter() - start, 1), "peak MiB": used.ru_maxrss // 1024}
    return found if first is None else {**found, "seconds to first steps": round(first, 1)}


def main() -> None:
    """Measures, prints, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million-rows", type=float, default=1.0)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--labelled", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--backend", default="tensorflow", choices=["tensorflow", "jax"])
    parser.add_argument("--rows", nargs="*", default=["streamed", "held"], choices=["streamed", "held"])
    parser.add_argument("--set", nargs="*", default=[], metavar="SECTION.KNOB=VALUE", help="of params.yaml")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="ssgan-large-") as name:
        rows = round(given.million_rows * 1e6)
        project = make_project(Path(name) / "large", rows, given.columns, given.labelled)
        knobs = (f"train.backend={given.backend}", f"train.steps={given.steps}", "evaluate.folds=2", *given.set)
        for knob in knobs:
            set_knob(project.params, knob)
        found["prepare"] = run(project, "prepare")
        print(f"prepare: {found['prepare']}", flush=True)
        for kind in given.rows:
            set_knob(project.params, f"train.rows={kind}")
            found[f"train, {kind}, {given.backend}"] = run(project, "train")
            print(f"train, {kind}, {given.backend}: {found[f'train, {kind}, {given.backend}']}", flush=True)
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    key = f"{rows} rows, {given.labelled} labelled"
    about = {"columns": given.columns, "knobs": list(knobs[1:])}
    stages = before.get(key, {}).get("stages", {}) | found
    result = before | {"machine": describe(), key: {**about, "stages": stages}}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
