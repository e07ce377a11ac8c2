"""The two works that every peer does, the rows they do it on, and how a peer is asked. Needs numpy alone.

A step is one update of the discriminator on batch labelled + batch unlabelled + batch fake rows, and one of the
generator by feature matching against batch other unlabelled rows.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Work:
    """Networks and batch."""

    columns: int
    hidden: tuple[int, ...]
    classes: int
    latent: int
    generator: tuple[int, ...]
    batch: int
    labelled: int
    rows: int

    def flops(self, alternating: bool) -> float:
        """Of a step's matrix products, none wasted: forward, slopes of weights, slopes of inputs where they are needed.

        Two per product and sum. The first layer's inputs have slopes only where the generator asks for them.
        """
        net, first = _products(self.columns, self.hidden, self.classes), self.columns * self.hidden[0]
        made = _products(self.latent, self.generator, self.columns)
        last, of_first = self.hidden[-1] * self.classes, self.latent * self.generator[0]
        learned = 3 * (3 * net - first)  # labelled, unlabelled and fake rows
        # Alternating, the generator's update has rows, fakes and a pass of its own.
        more = made + 2 * (net - last) if alternating else 0
        return 2.0 * self.batch * (learned + (net - last) + (3 * made - of_first) + more)

    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Labelled rows, their classes, unlabelled rows: random, as only time is asked for."""
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, (self.rows, self.columns)).astype(np.float32)
        y = (np.arange(self.labelled) % self.classes).astype(np.int64)
        return x[: self.labelled], y, x


def _products(inputs: int, hidden: tuple[int, ...], outputs: int) -> int:
    widths = (inputs, *hidden, outputs)
    return sum(a * b for a, b in itertools.pairwise(widths))


WORKS = {
    "W1": Work(784, (1000, 500, 250, 250, 250), 10, 100, (500, 500), 100, 100, 20_000),
    "W2": Work(30, (128, 128), 3, 30, (128, 128), 64, 60, 5_000),
    # Columns and batch alone: the networks are those of the product for 32 x 32 colour images.
    "house numbers": Work(3072, (), 10, 64, (), 100, 500, 8_000),
}
RATE, BETA1, EMA = 3e-3, 0.5, 0.9999  # of Adam, and of the averaged weights
INPUT_NOISE, HIDDEN_NOISE = 0.6, 0.5  # 0.3 of pixels in [0, 1] is 0.6 in [-1, 1]

Window = Callable[[float], float]  # seconds -> steps per second over about as many


def clocked(steps: Callable[[int], None], at_once: int) -> Window:
    """A window made of calls that run so many steps each."""

    def window(seconds: float) -> float:
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            steps(at_once)
            done += at_once
        return done / (time.perf_counter() - start)

    return window


def serve(window: Window) -> None:
    """Says that the first steps are done; measures a window for each line read; ends with the peak of memory."""
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"steps_per_second": window(float(line))}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peak_mb": peak, "peak_on_device_mb": _peak_on_device()}), flush=True)


def _peak_on_device() -> int | None:
    """Of an accelerator's memory, where JAX tells it."""
    if "jax" not in sys.modules:
        return None
    stats = sys.modules["jax"].local_devices()[0].memory_stats() or {}
    return stats["peak_bytes_in_use"] >> 20 if "peak_bytes_in_use" in stats else None
