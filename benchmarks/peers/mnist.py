"""MNIST with 100 labels, and how a peer tells what it has reached after how much processor time. Needs numpy alone."""

from __future__ import annotations

import gzip
import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LABELLED = 10  # of each class


@dataclass(frozen=True)
class Mnist:
    """Images [n, 784] in [-1, 1]."""

    x: np.ndarray
    y: np.ndarray  # int64 [n], -1 unlabelled
    test_x: np.ndarray
    test_y: np.ndarray

    @classmethod
    def read(cls, folder: Path, draw: int) -> Mnist:
        """The idx files; `draw` chooses which rows show their labels."""
        x, test_x = (_idx(folder / f"{part}-images-idx3-ubyte.gz", 16) for part in ("train", "t10k"))
        truth, test_y = (_idx(folder / f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k"))
        order, y = np.random.default_rng(draw).permutation(len(truth)), np.full(len(truth), -1)
        for each in range(10):
            chosen = [row for row in order if truth[row] == each][:LABELLED]
            y[chosen] = each
        return cls(_rows(x), y, _rows(test_x), test_y.astype(np.int64))


def _idx(path: Path, header: int) -> np.ndarray:
    with gzip.open(path) as handle:
        return np.frombuffer(handle.read(), np.uint8, offset=header)


def _rows(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(-1, 784).astype(np.float32) / np.float32(127.5) - np.float32(1)


def follow(
    steps: Callable[[int, int], object],
    logits: Callable[[np.ndarray], np.ndarray],
    data: Mnist,
    total: int,
    every: int,
    device: str,
) -> None:
    """Prints a line for each evaluation: steps done, seconds they took (evaluation left out), test error.

    Args:
        steps: runs steps first .. first + count - 1.
        logits: of the averaged network.
        data: its test rows tell the error; nothing is chosen by it.
        total: steps.
        every: steps between two evaluations.
        device: in words.
    """
    cpu = wall = 0.0
    for first in range(0, total, every):
        start = time.process_time(), time.perf_counter()
        steps(first, min(every, total - first))
        cpu, wall = cpu + time.process_time() - start[0], wall + time.perf_counter() - start[1]
        wrong = float((logits(data.test_x).argmax(axis=1) != data.test_y).mean())
        told = {"steps": min(first + every, total), "cpu_seconds": round(cpu, 1), "seconds": round(wall, 1)}
        print(json.dumps({**told, "error": round(wrong, 4)}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"peak_mb": peak, "device": device}), flush=True)
