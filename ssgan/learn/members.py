"""k members of an ensemble that share their kernels (TabM, Gorishniy et al. 2025, arXiv:2410.24210).

A member is a set of vectors round the shared kernels: its inputs are scaled by r, its outputs by s and shifted by b
(BatchEnsemble, Wen et al. 2020). Each has a last layer of its own. Rows are [n, k, width].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ssgan.learn.backend import Tensor, keras
from ssgan.learn.layers import Initializer, Layer, Signs

ops = keras.ops


class MemberScale(Layer):
    """Scales (and shifts) the numbers of each member: [n, width] or [n, k, width] -> [n, k, width]."""

    def __init__(self, members: int, name: str, signs: int | None = None, shift: bool = False) -> None:
        """`signs`: seed of random factors +-1, which set the members apart from the start; else factors of 1."""
        super().__init__(name=name)
        self._members, self._signs, self._shifts = members, signs, shift

    def build(self, shape: tuple[int | None, ...]) -> None:
        own = (self._members, int(shape[-1] or 0))
        initial: Any = "ones" if self._signs is None else Signs(self._signs)
        self.scale = self.add_weight(shape=own, initializer=initial, name="scale")
        self.shift = self.add_weight(shape=own, initializer="zeros", name="shift") if self._shifts else None

    def call(self, x: Tensor) -> Tensor:
        x = (x if len(x.shape) == 3 else x[:, None]) * self.scale
        return x if self.shift is None else x + self.shift


class MemberDense(Layer):
    """A dense layer per member: [n, k, inputs], or [n, inputs] for all alike -> [n, k, outputs]."""

    def __init__(self, members: int, outputs: int, seed: int, gain: float, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._members, self._outputs, self._seed, self._gain = members, outputs, seed, gain

    def build(self, shape: tuple[int | None, ...]) -> None:
        inputs = int(shape[-1] or 0)
        deviation = self._gain * float(np.sqrt(2.0 / inputs))
        initial = Initializer(self._seed, deviation=deviation)
        self.kernel = self.add_weight(shape=(self._members, inputs, self._outputs), initializer=initial, name="kernel")
        self.bias = self.add_weight(shape=(self._members, self._outputs), initializer="zeros", name="bias")

    def call(self, x: Tensor) -> Tensor:
        # As one matrix product per member: [k, n, inputs] @ [k, inputs, outputs].
        x = ops.transpose(x, (1, 0, 2)) if len(x.shape) == 3 else x[None]
        return ops.transpose(ops.matmul(x, self.kernel), (1, 0, 2)) + self.bias
