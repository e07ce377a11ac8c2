"""How long the whole way takes: the demo, each stage, a run with nothing changed, `--help`; and the peak memory.

    python benchmarks/pipeline.py --examples cancer diabetes     # about five minutes; writes results/pipeline.json

Every command is a process of its own, as a user starts it. Peak memory is the largest resident set of any one process.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import describe

from ssgan import settings

STEP = re.compile(r"^✓ (?P<name>.+?)\s+(?P<seconds>\d+\.\d) s")


def timed(*arguments: str) -> tuple[float, str]:
    """Wall seconds of one `ssgan` command, and what it printed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "ssgan", *arguments], capture_output=True, text=True, env=settings.environment()
    )
    if done.returncode:
        sys.exit(f"ssgan {' '.join(arguments)} failed:\n{done.stderr}")
    return time.perf_counter() - start, done.stderr


def measure(example: str, folder: Path) -> dict[str, object]:
    """One example, from nothing."""
    project = str(folder / example)
    seconds, printed = timed("demo", "--example", example, project)
    steps = [STEP.match(line) for line in printed.splitlines()]
    unchanged, _ = timed("run", "-C", project)
    return {
        "demo_seconds": round(seconds, 1),
        "steps": {found["name"].strip(): float(found["seconds"]) for found in steps if found},
        "nothing_changed_seconds": round(unchanged, 1),
    }


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--examples", nargs="+", default=["cancer", "diabetes", "digits"])
    arguments.add_argument("--keep", type=Path, help="an existing folder for the projects, instead of a temporary one")
    given = arguments.parse_args()
    helps = [timed("--help")[0] for _ in range(5)]
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        examples = {example: measure(example, folder) for example in given.examples}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    found = {
        "machine": describe(),
        "help_seconds_median_of_5": round(statistics.median(helps), 2),
        "peak_memory_of_a_process_mib": round(peak),
        "examples": examples,
    }
    text = json.dumps(found, indent=2)
    Path(__file__).with_name("results").joinpath("pipeline.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
