"""What a table of many columns costs intake: `ssgan init --from FILE` and `ssgan ingest`, processor and wall seconds.

python benchmarks/wide.py       # 2,000 and 10,000 columns of 200 rows, three minutes; writes results/wide.json
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from machine import describe

from ssgan import settings

ROWS = 200


def table(columns: int) -> pd.DataFrame:
    """Normal numbers; the class is the sign of the first two columns' sum, and three rows of ten have it."""
    source = np.random.default_rng(0)
    frame = pd.DataFrame(source.normal(size=(ROWS, columns)), columns=[f"c{place}" for place in range(columns)])
    label = np.where(frame["c0"] + frame["c1"] > 0, "yes", "no")
    return frame.assign(label=np.where(source.random(ROWS) < 0.3, label, ""))


def timed(*words: str | Path) -> dict[str, float]:
    """Seconds of one `ssgan` command and of what it starts."""
    start, before = time.perf_counter(), _processor_seconds()
    command = [sys.executable, "-m", "ssgan", *map(str, words)]
    subprocess.run(command, check=True, capture_output=True, env=settings.environment())
    wall = time.perf_counter() - start
    return {"seconds": round(wall, 1), "processor_seconds": round(_processor_seconds() - before, 1)}


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--columns", nargs="+", type=int, default=[2000, 10_000])
    given = arguments.parse_args()
    found: dict[str, object] = {"machine": describe(), "load_at_the_start": round(os.getloadavg()[0], 1), "rows": ROWS}
    with tempfile.TemporaryDirectory() as name:
        for columns in given.columns:
            file, project = Path(name) / f"{columns}.csv", Path(name) / f"p{columns}"
            table(columns).to_csv(file, index=False)
            drafted = timed("init", project, "--from", file, "--label", "label")
            found[f"{columns} columns"] = {"init": drafted, "ingest": timed("ingest", "-C", project, file)}
            print(columns, found[f"{columns} columns"], flush=True)
    (Path(__file__).with_name("results") / "wide.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
