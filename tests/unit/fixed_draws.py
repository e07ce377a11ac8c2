"""Random numbers from a table that numpy made: the same on every backend."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ssgan.learn.backend import Tensor, constant, keras

ops = keras.ops

STEPS, NUMBERS, APART = 20, 400_000, 997


class FixedDraws:
    """Stands where `backend.Draws` does; calls draw from places of their own, so that rows may be left out."""

    def __init__(self, seed: int) -> None:
        self._table = constant(np.random.default_rng(seed).random((STEPS, NUMBERS), np.float32))
        self.start(0)

    def start(self, step: Tensor) -> None:
        self._row, self._calls = ops.take(self._table, step, axis=0), 0

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * self._next(shape)

    def normal(self, shape: Any) -> Tensor:
        return math.sqrt(2) * ops.erfinv(1.999 * self._next(shape) - 0.9995)

    def integers(self, shape: Any, below: int) -> Tensor:
        return ops.minimum(ops.cast(self._next(shape) * below, "int32"), below - 1)

    def _next(self, shape: Any) -> Tensor:
        shape = tuple(int(each) for each in shape)
        first, self._calls = self._calls * APART, self._calls + 1
        end = first + math.prod(shape)
        assert end <= NUMBERS
        return ops.reshape(self._row[first:end], shape)
