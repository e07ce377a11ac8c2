"""How fast on an accelerator? Our engine and Keras `fit` on JAX: steps/s, share of the matmul rate, images/s, memory.

    KERAS_BACKEND=jax python benchmarks/gpu_speed.py

W1 and W2 are those of speed_train.py; "house numbers" is the discriminator for 32 x 32 colour images, with its
generator. The matmul rate is measured here, in the same precision. Without an accelerator nothing is measured, and the
script says so; `--anyway` runs it on the CPU, to see that it works, and writes nothing. Results:
benchmarks/results/gpu_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from machine import describe
from peer import Peer

FOLDER = Path(__file__).parent
RESULT = FOLDER / "results" / "gpu_speed.json"
PRECISIONS = ("float32", "bfloat16")
KINDS = (("simultaneous", "float32"), ("simultaneous", "bfloat16"), ("alternating", "float32"))
SIZE = 8192  # of the square matrices that measure the card
IMAGES = "house numbers"
JAX = {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_CPP_MIN_LOG_LEVEL": "3"}

MATMUL = """
import json, sys, time
import jax, jax.numpy as jnp
size, precision = int(sys.argv[1]), sys.argv[2]
a = jax.random.normal(jax.random.key(0), (size, size), jnp.float32).astype(precision)
product = jax.jit(lambda a: a @ a)
product(a).block_until_ready()
rates = []
for _ in range(7):
    start = time.perf_counter()
    product(a).block_until_ready()
    rates.append(2 * size**3 / (time.perf_counter() - start))
device = jax.local_devices()[0]
print(json.dumps({"rates": rates, "platform": device.platform, "kind": device.device_kind}))
"""


def matmul(precision: str, size: int) -> dict[str, Any]:
    """Products and sums per second of one large product, median of 7, and the device."""
    done = subprocess.run(
        [sys.executable, "-c", MATMUL, str(size), precision],
        env={**os.environ, **JAX}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    return {"tflops": statistics.median(told["rates"]) / 1e12, "platform": told["platform"], "kind": told["kind"]}


def measure(work: str, rounds: int, seconds: float) -> dict[str, Peer]:
    """Ours in both precisions and, for dense networks, Keras `fit`; measured in turn."""
    commands = {
        f"ours, {update}, {precision}": [sys.executable, "ours.py", work, update, precision]
        for update, precision in KINDS
    }
    if work != IMAGES:
        commands["Keras fit, float32"] = [sys.executable, "keras_fit.py", work]
    peers: dict[str, Peer] = {}
    try:
        with ThreadPoolExecutor() as threads:  # what they compile takes longer than what is measured
            peers |= threads.map(lambda each: (each[0], Peer.start(*each, JAX)), commands.items())
        for _ in range(rounds):
            for peer in peers.values():
                peer.measure(seconds)
        for peer in peers.values():
            peer.end()
    finally:
        for peer in peers.values():
            peer.process.kill()
    return peers


def rows_of(work: str, peers: dict[str, Peer], rates: dict[str, float]) -> dict[str, Any]:
    """The table of one work."""
    sys.path.insert(0, str(FOLDER / "peers"))
    from work import WORKS

    fit = peers.get("Keras fit, float32")
    table: dict[str, Any] = {}
    for name, peer in peers.items():
        row: dict[str, Any] = {"steps per second": round(peer.pace, 1)}
        precision = name.rsplit(", ", 1)[1]
        if work != IMAGES:
            done = WORKS[work].flops("simultaneous" not in name) * peer.pace
            row["share of the matmul rate"] = round(done / (rates[precision] * 1e12), 4)
        else:
            row["unlabelled images per second"] = round(peer.pace * WORKS[work].batch)
        if fit is not None:
            row["times Keras fit"] = round(peer.pace / fit.pace, 2)
        row |= {"peak on device MB": peer.peak_on_device_mb, "peak memory MB": peer.peak_mb}
        table[name] = {**row, "seconds to first steps": round(peer.seconds_to_first_steps, 1)}
        print(f"{work} {name:32} {table[name]}", flush=True)
    return table


def keep(work: str, found: dict[str, Any]) -> None:
    """Writes what one work has; the others stay."""
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    RESULT.write_text(json.dumps({**before, work: found}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Measures, prints, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--works", nargs="*", default=["W1", "W2", IMAGES], choices=["W1", "W2", IMAGES])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="per window")
    parser.add_argument("--anyway", action="store_true", help="without an accelerator too; writes nothing then")
    given = parser.parse_args()
    probe = matmul("float32", 256)
    there = probe["platform"] != "cpu"
    if not there and not given.anyway:
        print(f"there is no accelerator: JAX finds {probe['kind']} alone; nothing is measured")
        return
    rates = {precision: matmul(precision, SIZE if there else 256)["tflops"] for precision in PRECISIONS}
    print(f"{probe['kind']}: matmul {rates} TFLOP/s")
    for work in given.works:
        table = rows_of(work, measure(work, given.rounds, given.seconds), rates)
        if there:  # at once: the time on a card may be short
            keep(work, {"machine": describe(), "device": probe["kind"], "matmul TFLOP/s": rates, "peers": table})


if __name__ == "__main__":
    main()
