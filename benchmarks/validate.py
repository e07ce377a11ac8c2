"""How long a batch takes to be judged, with how much memory, and how much of it is Great Expectations' own.

    python benchmarks/validate.py                       # 1e6 and 5e6 rows, Parquet and CSV; about five minutes
    python benchmarks/validate.py --rows 20000000 --formats parquet --limit-gib 3    # as under `ulimit -v 3145728`
    python benchmarks/validate.py --keep DIR --make                             # only makes the files, for a later run

Each case runs in a process of its own, on a file of 20 columns (id, group, 14 numbers, 3 categories, label) with the
rules as `ssgan init` drafts them, against accepted data of 200,000 rows, so that drift is measured too. Memory is the
peak resident set above that of the process when everything is loaded and nothing is read. Writes results/validate.json.
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

PART = 500_000
NUMBERS, WORDS = 14, 3


def make(path: Path, rows: int, seed: int) -> int:
    """Writes a batch and returns the bytes of the frame that it makes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    writer, size = None, 0
    for start in range(0, rows, PART):
        rng = np.random.default_rng([seed, start])
        n = min(PART, rows - start)
        labels = np.where(rng.random(n) < 0.05, rng.integers(0, 4, n), 9)
        table = pa.table(
            {
                "record_id": pa.array([f"R{seed}-{row}" for row in range(start, start + n)]),
                "patient_id": pa.array([f"P{row // 3}" for row in range(start, start + n)]),
                **{f"x{column}": rng.normal(100, 15, n).round(4) for column in range(NUMBERS)},
                **{
                    f"c{column}": pa.array(np.array(["low", "middle", "high"])[rng.integers(0, 3, n)])
                    for column in range(WORDS)
                },
                "level": pa.array(np.array(["healthy", "watch", "ill", "critical", *[""] * 6])[labels]),
            }
        )
        size += table.to_pandas().memory_usage(deep=True).sum()
        if writer is None:
            kind = pyarrow.csv.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
            writer = kind(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return int(size)


def judge(folder: Path, file: Path) -> dict[str, float | str]:
    """Judges one file in this process; also counts what loading costs."""
    from ssgan import settings

    settings.apply()
    start = time.perf_counter()
    import sklearn.ensemble  # noqa: F401

    from ssgan.contract import read_contract
    from ssgan.intake import expectations  # noqa: F401
    from ssgan.intake.batch import read_batch
    from ssgan.intake.reference import read_reference
    from ssgan.intake.validate import validate

    loading = time.perf_counter() - start
    load = os.getloadavg()[0]
    contract = read_contract(folder / "contract.yaml")
    reference = read_reference([folder / "accepted.parquet"], contract)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, cpu = time.perf_counter(), time.process_time()
    judged = validate(read_batch(file, contract), contract, reference)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "decision": judged.verdict.decision,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "great_expectations_seconds": round(judged.seconds["great expectations"], 2),
        "great_expectations_share": round(judged.seconds["great expectations"] / seconds, 3),
        "loading_seconds": round(loading, 1),
        "memory_mib": round(after - before),
        "process_mib": round(after),
        "load": round(load, 1),
    }


def prepare(folder: Path) -> None:
    """The contract as it is drafted, and accepted data in its format."""
    import pyarrow.parquet as pq

    from ssgan.contract import read_contract
    from ssgan.intake.batch import read_batch
    from ssgan.intake.draft import draft_contract
    from ssgan.intake.reference import Reference
    from ssgan.intake.validate import validate

    make(folder / "first.parquet", 200_000, 0)
    text = draft_contract(folder / "first.parquet", "level", "speed", id="record_id", group="patient_id")
    (folder / "contract.yaml").write_text(text, encoding="utf-8")
    contract = read_contract(folder / "contract.yaml")
    judged = validate(read_batch(folder / "first.parquet", contract), contract, Reference())
    pq.write_table(judged.accepted, folder / "accepted.parquet")


def made(folder: Path, rows: int, suffix: str) -> tuple[Path, int]:
    """The file of one case, and the bytes of its frame; made if it is not there yet."""
    file = folder / f"batch-{rows}.{suffix}"
    noted = file.with_suffix(f".{suffix}.bytes")
    if not noted.is_file():
        noted.write_text(str(make(file, rows, 1)), encoding="utf-8")
    return file, int(noted.read_text(encoding="utf-8"))


def measure(folder: Path, rows: int, suffix: str, limit_gib: float | None) -> dict[str, object]:
    """One case in a process of its own, with its address space limited where that is asked for."""
    file, frame = made(folder, rows, suffix)

    def limit() -> None:
        if limit_gib is not None:
            resource.setrlimit(resource.RLIMIT_AS, (int(limit_gib * 2**30),) * 2)

    command = [sys.executable, __file__, "--judge", str(folder), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    size = {"rows": rows, "format": suffix, "file_mib": file.stat().st_size >> 20, "frame_mib": frame >> 20}
    limited = {"limit_gib": limit_gib} if limit_gib is not None else {}
    return {**size, **found, "memory_per_frame": round(found["memory_mib"] / (frame / 2**20), 2), **limited}


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--judge", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--rows", nargs="+", type=int, default=[1_000_000, 5_000_000])
    arguments.add_argument("--formats", nargs="+", default=["parquet", "csv"])
    arguments.add_argument("--limit-gib", type=float, help="of the address space of the judging process")
    arguments.add_argument("--keep", type=Path, help="where the files are, and stay (default: nowhere)")
    arguments.add_argument("--make", action="store_true", help="the files only")
    chosen = arguments.parse_args()
    if chosen.judge:
        print(json.dumps(judge(*chosen.judge)))
        return
    cases = []
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "accepted.parquet").is_file():
            prepare(folder)
        for rows in chosen.rows:
            for suffix in chosen.formats:
                if chosen.make:
                    made(folder, rows, suffix)
                    continue
                cases.append(measure(folder, rows, suffix, chosen.limit_gib))
                print(json.dumps(cases[-1]), flush=True)
    if chosen.make:
        return
    from machine import describe

    path = Path(__file__).with_name("results") / "validate.json"
    before = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.is_file() else []
    key = lambda case: (case["rows"], case["format"], case.get("limit_gib") or 0)  # noqa: E731
    kept = [case for case in before if key(case) not in {key(each) for each in cases}]
    text = json.dumps({"machine": describe(), "cases": sorted([*kept, *cases], key=key)}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
