"""What judging costs: baselines, evaluation and report of 100,000 rows x 30 columns, 2,000 of them labelled.

    python benchmarks/evaluate.py     # about ten minutes with what comes before; writes results/evaluate.json

The project is real: `ssgan init --from FILE`, `ssgan ingest`, then every stage of dvc.yaml as a process of its own. The
training is cut short, for its time is not asked about here; the networks have their usual size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from machine import describe
from sklearn.datasets import make_classification

from ssgan import settings

JUDGED = ("baselines", "evaluate")  # what the limit is about
LIMIT_SECONDS, LIMIT_MB = 120, 3
REPORT = """
import time
from pathlib import Path
from ssgan.judge import report
from ssgan.judge.evaluate import evaluate
from ssgan.project import Project
write = report.write_report
def timed(project, findings):
    start = time.perf_counter()
    write(project, findings)
    print("seconds", time.perf_counter() - start)
report.write_report = timed
evaluate(Project(Path.cwd()))
"""


def table(rows: int, columns: int, labelled: int) -> pd.DataFrame:
    """Three classes; a fifth of the columns are words; some cells are empty."""
    x, y = make_classification(rows, columns, n_informative=columns // 3, n_classes=3, flip_y=0.05, random_state=0)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(x, columns=[f"c{place:02}" for place in range(columns)]).round(6)
    for place in range(0, columns, 5):
        frame[f"c{place:02}"] = pd.cut(x[:, place], 4, labels=["low", "mid", "high", "top"]).astype(object)
    frame["c01"] = frame["c01"].where(rng.random(rows) > 0.05)
    names = np.array(["a", "b", "c"], object)[y]
    names[rng.permutation(rows)[labelled:]] = None
    return frame.assign(y=names, id=[f"r{row:06}" for row in range(rows)])


def run(*arguments: object, where: Path) -> tuple[float, float, str]:
    """Wall seconds of a command, processor seconds of it and its children, and its output."""
    start, before = time.perf_counter(), sum(os.times()[2:4])
    done = subprocess.run(
        list(map(str, arguments)), cwd=where, capture_output=True, text=True, env=settings.environment()
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))} failed:\n{done.stderr}")
    return time.perf_counter() - start, sum(os.times()[2:4]) - before, done.stdout


def measure(folder: Path, rows: int, columns: int, labelled: int, steps: int) -> dict[str, object]:
    """Seconds of each stage, and the size of the report."""
    project, file = folder / "project", folder / "rows.csv"
    table(rows, columns, labelled).to_csv(file, index=False)
    ssgan = (sys.executable, "-m", "ssgan")
    knobs = ("--set", f"train.steps={steps}", "--set", "train.teacher_weight=0")
    run(*ssgan, "init", project, "--from", file, "--label", "y", "--id", "id", *knobs, where=folder)
    seconds = {"ingest": run(*ssgan, "ingest", "-C", project, file, where=folder)[0]}
    processor: dict[str, float] = {}
    for stage in yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]:
        seconds[stage], processor[stage], _ = run(*ssgan, stage, "-C", project, where=folder)
        print(f"{stage}: {seconds[stage]:.1f} s, {processor[stage]:.1f} s of processor", flush=True)
    seconds["gate"] = run(*ssgan, "gate", "-C", project, "--force", "a benchmark", where=folder)[0]
    drawn = run(sys.executable, "-c", REPORT, where=project)[2]
    size = (project / "reports" / "gate.html").stat().st_size / 1e6
    whole = sum(seconds[stage] for stage in JUDGED)
    return {
        "rows": rows,
        "columns": columns,
        "labelled": labelled,
        "seconds": {stage: round(found, 1) for stage, found in seconds.items()},
        "baselines_evaluation_report_seconds": round(whole, 1),
        "of_processor_seconds": round(sum(processor[stage] for stage in JUDGED), 1),
        "of_it_report_seconds": round(float(drawn.split("seconds")[-1]), 1),
        "report_mb": round(size, 2),
        "within_limits": whole <= LIMIT_SECONDS and size < LIMIT_MB,
    }


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--columns", type=int, default=30)
    arguments.add_argument("--labelled", type=int, default=2000)
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "evaluate.json")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        load = round(os.getloadavg()[0], 1)
        found = measure(Path(name), given.rows, given.columns, given.labelled, given.steps)
    text = json.dumps({"machine": describe(), "load_at_the_start": load, **found}, indent=2)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
