"""How long to which error on MNIST with 100 labels? Our engine and a plain PyTorch loop.

    python benchmarks/time_to_accuracy.py --data DIR --torch-python PYTHON
    python benchmarks/time_to_accuracy.py --data DIR --accelerator --precisions float32 bfloat16 --steps 40000

DIR holds MNIST's four idx files. Both train the networks of Improved GAN with 100 rows of each kind per step, from the
same labelled rows, by the same schedule; the averaged weights answer the 10,000 test rows now and then, which chooses
nothing: every run goes to its last step. `--recipes moved` adds to the paper's recipe images that are moved, turned and
stretched, and the averaged network as a teacher. Without `--accelerator` on one core and one thread; what counts is
processor seconds there, and wall seconds on an accelerator, evaluations left out. Results:
benchmarks/results/time_to_accuracy.json, or gpu_time_to_accuracy.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import describe
from peer import ONE_THREAD, python_path

FOLDER = Path(__file__).parent
MARKS = (0.05, 0.04, 0.03, 0.02, 0.015, 0.01)  # test errors


def commands(given: argparse.Namespace) -> dict[str, list[str]]:
    """What to run for each peer."""
    work = [str(given.data), "{draw}", str(given.steps), str(given.every)]
    found = {
        f"ours, {given.update}, {noise} noise, {precision}, {recipe}": [
            sys.executable, "mnist_ours.py", *work, given.update, noise, precision, recipe,
        ]
        for noise in given.noise
        for precision in given.precisions
        for recipe in given.recipes
    }  # fmt: skip
    if given.torch_python is not None:
        found["PyTorch loop"] = [str(given.torch_python), "mnist_torch.py", *work, "started"]
    return found


def lines(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """What a peer tells, shown on the error output as it comes."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            print(line, end="", file=sys.stderr, flush=True)
            yield json.loads(line)


def follow(name: str, command: list[str], draw: int, given: argparse.Namespace) -> dict[str, Any]:
    """One run: its evaluations, and when it first passed each mark."""
    environment = {**os.environ, "PYTHONPATH": python_path(), "KERAS_BACKEND": given.backend}
    clock = "seconds" if given.accelerator else "cpu_seconds"
    if not given.accelerator:
        environment |= ONE_THREAD
    with subprocess.Popen(
        [part.replace("{draw}", str(draw)) for part in command],
        env=environment, cwd=FOLDER / "peers", stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        *told, last = list(lines(process))
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}")
    passed = {f"{mark:.1%}": next((each[clock] for each in told if each["error"] <= mark), None) for mark in MARKS}
    print(f"{name}, draw {draw}: last error {told[-1]['error']:.2%}, {clock} to {passed}", flush=True)
    return {"draw": draw, f"{clock} to error": passed, "told": told, **last}


def main() -> None:
    """Measures, prints, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's idx files")
    parser.add_argument("--torch-python", type=Path, help="a Python that has PyTorch")
    parser.add_argument("--accelerator", action="store_true", help="all cores, and whatever device there is")
    parser.add_argument("--backend", default="tensorflow", choices=["tensorflow", "jax"])
    parser.add_argument("--update", default="simultaneous", choices=["simultaneous", "alternating"])
    parser.add_argument("--noise", nargs="*", default=["uniform"], choices=["uniform", "normal"])
    parser.add_argument("--precisions", nargs="*", default=["float32"], choices=["float32", "bfloat16"])
    parser.add_argument("--recipes", nargs="*", default=["plain"], choices=["plain", "moved", "default"])
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--every", type=int, default=300)
    given = parser.parse_args()
    given.data = given.data.resolve()
    runs = {
        name: [follow(name, command, draw, given) for draw in range(given.draws)]
        for name, command in commands(given).items()
    }
    name = "gpu_time_to_accuracy" if given.accelerator else "time_to_accuracy"
    path = FOLDER / "results" / f"{name}.json"  # runs of other lengths stay
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = {"machine": describe(), "backend": given.backend, "labels": 100, "runs": runs}
    result = before | {f"{given.steps} steps, {given.backend}": found}
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
