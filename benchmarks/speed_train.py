"""How many steps per second? Our engine, a plain PyTorch loop and Keras `fit`, on the same networks and batch.

    python benchmarks/speed_train.py --torch-python PYTHON

One process per peer, all alive at once, pinned to one core and on one thread; they are measured in turn, round after
round, and the medians are compared. PyTorch is no dependency: give the Python of an environment that has it, or its
rows are left out. Also: peak memory, and seconds from the start of a process to its first steps. Results:
benchmarks/results/speed_train.json.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from machine import describe
from peer import ONE_THREAD, Peer

FOLDER = Path(__file__).parent
RESULT = FOLDER / "results" / "speed_train.json"
ANCHOR = "PyTorch loop"


def commands(work: str, torch_python: Path | None) -> dict[str, tuple[list[str], str]]:
    """What to run per peer, and its Keras backend."""
    here = sys.executable
    backends = {"tensorflow": "TensorFlow", **({"jax": "JAX"} if importlib.util.find_spec("jax") else {})}
    found: dict[str, tuple[list[str], str]] = {}
    if torch_python is not None:
        found[ANCHOR] = ([str(torch_python), "torch_loop.py", work], "")
    for backend, name in backends.items():
        found[f"Keras fit, {name}"] = ([here, "keras_fit.py", work], backend)
        for update in ("simultaneous", "alternating"):
            found[f"ours, {name}, {update}"] = ([here, "ours.py", work, update, "float32"], backend)
    return found


def measure(given: argparse.Namespace, work: str) -> dict[str, Any]:
    """Every peer's windows, taken in turn."""
    peers = []
    rounds, seconds = (1, 0.5) if given.quick else (given.rounds, given.seconds)
    try:
        for name, (command, backend) in commands(work, given.torch_python).items():
            if given.peers and name not in given.peers:
                continue
            peers.append(Peer.start(name, command, {**ONE_THREAD, "KERAS_BACKEND": backend}, given.core))
            print(f"{work} {name}: first steps after {peers[-1].seconds_to_first_steps:.1f} s", flush=True)
        if given.pause:
            input(f"{work}: make the machine quiet, then press enter\n")
        for _ in range(rounds):
            for peer in peers:
                peer.measure(seconds)
        for peer in peers:
            peer.end()
    finally:
        for peer in peers:
            peer.process.kill()
    anchor = next((peer.pace for peer in peers if peer.name == ANCHOR), None)
    table = {peer.name: _row(peer, anchor) for peer in peers}
    for name, row in table.items():
        print(f"{work} {name:32} {row}")
    return table


def _row(peer: Peer, anchor: float | None) -> dict[str, Any]:
    return {
        "steps per second": round(peer.pace, 2),
        "windows": [round(each, 2) for each in peer.windows],
        **({"times PyTorch": round(peer.pace / anchor, 2)} if anchor else {}),
        "seconds to first steps": round(peer.seconds_to_first_steps, 1),
        "peak memory MB": peer.peak_mb,
    }


def main() -> None:
    """Measures, prints, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", type=Path, help="a Python that has PyTorch")
    parser.add_argument("--works", nargs="*", default=["W1", "W2"], choices=["W1", "W2"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="per window")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--peers", nargs="*", help="names of rows, such as `PyTorch loop`; default: all")
    parser.add_argument("--pause", action="store_true", help="wait for enter when the peers are ready to be measured")
    parser.add_argument(
        "--quick", action="store_true", help="one short round, to see that it works; nothing is written"
    )
    given = parser.parse_args()
    left_out = {} if given.torch_python else {ANCHOR: "no --torch-python was given"}
    for name, reason in left_out.items():
        print(f"{name} is left out: {reason}")
    tables = {work: measure(given, work) for work in given.works}
    if not given.quick:
        _store(given, left_out, tables)


def _store(given: argparse.Namespace, left_out: dict[str, str], tables: dict[str, Any]) -> None:
    """Writes what was measured; what was not measured this time stays as it was."""
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    result = {
        "machine": describe(),
        "protocol": f"core {given.core}, one thread; median of {given.rounds} windows of {given.seconds:g} s",
        "left out": left_out,
        "works": before.get("works", {})
        | {work: before.get("works", {}).get(work, {}) | table for work, table in tables.items()},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
