"""How fast the champion answers the rows of a file, and with how much memory.

    python benchmarks/score.py                                   # 1e6 rows: CSV, Parquet; 5e6 rows: both; six minutes
    python benchmarks/score.py --rows 100000 --project PROJECT   # a finished cancer project instead of making one

Each case is one `ssgan score` of rows with 30 columns, drawn around the rows of the cancer demo, from the start of the
command to its end; memory is the peak resident set of that process, `cpu_seconds` what all its threads used.
`processes` of 2 are two commands at once with half of the rows each, one thread each, for what processes instead of
threads could gain. Where the load is above the number of cores, others were at work too. Writes results/score.json.
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
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

PART = 250_000


def make_project(folder: Path) -> Path:
    """The cancer demo with few steps: how long its network has learned makes no difference to how fast it answers."""
    knobs = [word for knob in ("train.steps=100", "baselines.trees=20") for word in ("--set", knob)]
    command = [sys.executable, "-m", "ssgan", "demo", "--example", "cancer", str(folder / "cancer"), *knobs]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "cancer"


def make_rows(project: Path, path: Path, rows: int, seed: int = 0) -> None:
    """Writes rows within the contract's ranges: those of the demo, each number moved by a few percent."""
    known = pd.concat([pd.read_parquet(file) for file in sorted((project / "data" / "accepted").glob("*.parquet"))])
    numbers = known.select_dtypes("float64")
    low, high = numbers.min().to_numpy(), numbers.max().to_numpy()
    writer, values = None, numbers.to_numpy()
    for start in range(0, rows, PART):
        rng = np.random.default_rng([seed, start])
        count = min(PART, rows - start)
        drawn = values[rng.integers(0, len(values), count)] * rng.normal(1, 0.03, (count, values.shape[1]))
        drawn = drawn.clip(low, high).round(5)
        ids = pa.array([f"R{row:08d}" for row in range(start, start + count)])
        table = pa.table({"record_id": ids, **dict(zip(numbers.columns, drawn.T.copy(), strict=True))})
        if writer is None:
            kind = pyarrow.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
            writer = kind(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def start(project: Path, file: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """One command under way."""
    command = [sys.executable, "-m", "ssgan", "score", "-C", str(project), str(file), "-o", str(out)]
    return subprocess.Popen([*command, "--workers", str(workers)], stderr=subprocess.DEVNULL)


def wait(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Peak resident set in MiB and seconds on all cores of a command that has to end well."""
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"ssgan score ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_maxrss >> 10, used.ru_utime + used.ru_stime


def measure(project: Path, folder: Path, rows: int, suffix: str, workers: int, processes: int = 1) -> dict[str, object]:
    """One case; several processes share the rows."""
    files = [folder / f"rows-{rows}-{place}-of-{processes}.{suffix}" for place in range(processes)]
    for place, file in enumerate(files):
        if not file.exists():
            make_rows(project, file, rows // processes, place)
    began = time.perf_counter()
    running = [start(project, file, file.with_suffix(".answers"), workers) for file in files]
    used = [wait(each) for each in running]
    seconds = time.perf_counter() - began
    return {
        "rows": rows,
        "columns": 30,
        "format": suffix,
        "file_mib": sum(file.stat().st_size for file in files) >> 20,
        "processes": processes,
        "workers": workers,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(sum(each for _, each in used), 2),
        "rows_per_second": round(rows / seconds),
        "peak_mib": max(each for each, _ in used),
        "load": round(os.getloadavg()[0], 1),  # of the machine, also by others, over the last minute
    }


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 5_000_000])
    arguments.add_argument("--project", type=Path, help="a finished cancer demo")
    chosen = arguments.parse_args()
    from machine import describe

    cores, cases = len(os.sched_getaffinity(0)), []
    results = Path(__file__).with_name("results") / "score.json"
    with tempfile.TemporaryDirectory(prefix="ssgan-score-") as name:
        project = (chosen.project or make_project(Path(name))).resolve()
        for rows in chosen.rows:
            small = rows == min(chosen.rows)
            shapes = [(cores, 1), (1, cores)] if small else [(cores, 1)]
            for suffix in ("parquet", "csv"):
                for workers, processes in shapes:
                    cases.append(measure(project, Path(name), rows, suffix, workers, processes))
                    print(json.dumps(cases[-1]), flush=True)
                    text = json.dumps({"machine": describe(), "cases": cases}, indent=2)
                    results.write_text(text + "\n", encoding="utf-8")
                for file in Path(name).glob("rows-*"):
                    file.unlink()


if __name__ == "__main__":
    main()
