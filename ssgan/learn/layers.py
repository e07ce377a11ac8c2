"""Layers that Keras does not have: noise from the run's own draws, embeddings of numbers, rows with exact one-hots.

Layers without `training` compute the same in training and outside. Random ones take their numbers from `Draws` alone,
so that a resumed run, or the other backend fed the same numbers, computes the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ssgan.learn.backend import Draws, Tensor, keras
from ssgan.learn.encode import CLIP, Encoder

ops = keras.ops

WAVES, FREQUENCY = 8, 0.3  # of periodic embeddings: how many per number, deviation of the first frequencies
CONTRAST = 0.5  # deviation of a photograph's pixels
FAINT = 0.01  # added to a photograph's variance: noise must not be blown up to contrast
KEPT = 2.0  # logit that the refiner's row starts from: a category is kept with odds of e^4 against each other one


class Layer(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """The one untyped base."""


class Initializer(keras.initializers.Initializer):  # type: ignore[misc]
    """Normal numbers from numpy: equal seeds give equal weights on every backend."""

    def __init__(self, seed: int, gain: float | None = None, deviation: float | None = None) -> None:
        """He's deviation, sqrt(2 / fan in), times `gain`, or a given deviation."""
        self._seed, self._gain, self._deviation = seed, 1.0 if gain is None else gain, deviation

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        fan_in = math.prod(shape[:-1])
        deviation = self._gain * math.sqrt(2.0 / fan_in) if self._deviation is None else self._deviation
        numbers = np.random.default_rng(self._seed).normal(0.0, deviation, shape)
        return ops.convert_to_tensor(numbers.astype(np.float32), dtype=dtype)


class Signs(keras.initializers.Initializer):  # type: ignore[misc]
    """-1 or 1 with equal chance."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        numbers = np.random.default_rng(self._seed).integers(0, 2, shape) * 2 - 1
        return ops.convert_to_tensor(numbers.astype(np.float32), dtype=dtype)


def seeds_from(seed: int) -> Iterator[int]:
    """One seed per layer."""
    source = np.random.default_rng(seed)
    while True:
        yield int(source.integers(2**31))


class Noise(Layer):
    """Adds uniform noise of the given standard deviation in training; drawing normal noise costs a third of a step."""

    def __init__(self, deviation: float, draws: Draws, name: str, dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._reach, self._draws = deviation * math.sqrt(3), draws

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        if not training:
            return x
        return x + ops.cast(self._draws.uniform(ops.shape(x), -self._reach, self._reach), x.dtype)


class Dropout(Layer):
    """Sets numbers to 0 in training, each with the given chance, and scales the others up (Srivastava et al. 2014)."""

    def __init__(self, share: float, draws: Draws, name: str) -> None:
        super().__init__(name=name)
        self._share, self._draws = share, draws

    def _kept(self, x: Tensor) -> Tensor:
        return self._draws.uniform(ops.shape(x)) >= self._share

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        return x * ops.cast(self._kept(x), x.dtype) / (1.0 - self._share) if training else x


class ChannelDropout(Dropout):
    """Drops whole channels of [n, height, width, channels] in training (Tompson et al. 2015)."""

    def _kept(self, x: Tensor) -> Tensor:
        return self._draws.uniform((ops.shape(x)[0], 1, 1, x.shape[-1])) >= self._share


class Contrast(Layer):
    """Each image [n, height, width, channels] with mean 0 and deviation `CONTRAST`.

    How bright a photograph is says little of what it shows. Channels are taken together, so that colours stay. A faint
    image is raised less than a strong one is lowered.
    """

    def call(self, x: Tensor) -> Tensor:
        axes = tuple(range(1, len(x.shape)))
        centred = x - ops.mean(x, axis=axes, keepdims=True)
        return CONTRAST * centred * ops.rsqrt(ops.mean(ops.square(centred), axis=axes, keepdims=True) + FAINT)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape


class PiecewiseLinear(Layer):
    """Per bin of a numeric feature, how far the value has gone through it, -1 .. 1 (Gorishniy et al. 2022, eq. 1).

    [n, F] -> [n, bins]. Bins are the encoder's: quantiles of all training rows. Always float32: neighbouring edges may
    be nearer than bfloat16 can tell.
    """

    def __init__(self, encoder: Encoder, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        edges = [np.asarray(part.edges, np.float32) for part in encoder.numbers]
        counts = [max(len(each) - 1, 0) for each in edges]
        self._feature = np.repeat(np.arange(len(edges), dtype=np.int32), counts)
        self._low = np.concatenate([np.zeros(0, np.float32), *(each[:-1] for each in edges)])
        self._scale = 2.0 / np.concatenate([np.zeros(0, np.float32), *(np.diff(each) for each in edges)])

    @property
    def bins(self) -> int:
        return len(self._feature)

    def call(self, x: Tensor) -> Tensor:
        # Whole rows of the transposed: columns one by one are TensorFlow's slowest way, a third of a small step.
        each = ops.transpose(ops.take(ops.transpose(x), self._feature, axis=0))
        return ops.clip((each - self._low) * self._scale, 0.0, 2.0) - 1.0


class Periodic(Layer):
    """Each numeric feature as sines and cosines of `WAVES` frequencies of its own, which are learned.

    [n, F] -> [n, numbers x 2 WAVES] (Gorishniy et al. 2022, section 3.3).
    """

    def __init__(self, numbers: int, seed: int, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self._numbers, self._seed = numbers, seed

    def build(self, shape: tuple[int | None, ...]) -> None:  # noqa: ARG002
        initial = Initializer(self._seed, deviation=FREQUENCY)
        self.frequencies = self.add_weight(shape=(self._numbers, WAVES), initializer=initial, name="frequencies")

    def call(self, x: Tensor) -> Tensor:
        angles = 2.0 * math.pi * x[:, : self._numbers, None] * self.frequencies
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        return ops.reshape(waves, (-1, self._numbers * 2 * WAVES))


class BatchStandardise(Layer):
    """Standardises each channel over the batch, then shifts it: batch norm without scale (Salimans et al. 2016).

    For generators, which only ever run in whole batches; no state. The layer before needs no bias: its slope would be
    nothing but rounding, which Adam takes for a direction.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.shift = self.add_weight(shape=(int(shape[-1] or 0),), initializer="zeros", name="shift")

    def call(self, x: Tensor) -> Tensor:
        axes = tuple(range(len(x.shape) - 1))
        mean, variance = ops.moments(ops.cast(x, "float32"), axes=axes, keepdims=True)
        scale = ops.rsqrt(variance + 1e-5)
        return x * ops.cast(scale, x.dtype) + (self.shift - ops.cast(mean * scale, x.dtype))


class TableRow(Layer):
    """Raw generator outputs [n, F] -> an encoded row with exact one-hots.

    Flags and categories are hard in the forward pass and soft in the backward pass (straight-through, Bengio et al.
    2013): soft ones would give a fake away by its blur. A value whose flag says missing is 0, as in real rows.
    """

    def __init__(self, encoder: Encoder, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self._numbers, self._flags = len(encoder.numbers), np.asarray(encoder.flags, np.int32)
        self._widths = [part.width for part in encoder.categories]

    def call(self, x: Tensor) -> Tensor:
        at = self._numbers
        values = ops.clip(x[:, :at], -CLIP, CLIP)
        pieces = []
        if len(self._flags):
            soft = ops.sigmoid(x[:, at : at + len(self._flags)])
            flags = _straight_through(ops.cast(soft > 0.5, soft.dtype), soft)
            spread = np.eye(self._numbers, dtype=np.float32)[self._flags]  # [flags, numbers]
            values = values * (1.0 - ops.matmul(flags, spread))
            pieces.append(flags)
            at += len(self._flags)
        for width in self._widths:
            soft = ops.softmax(x[:, at : at + width])
            pieces.append(_straight_through(ops.one_hot(ops.argmax(soft, axis=-1), width, dtype=soft.dtype), soft))
            at += width
        return ops.concatenate([values, *pieces], axis=1)


class RawRow(Layer):
    """What `TableRow` turns into the given row: values as they are, logits of +-KEPT for flags and categories."""

    def __init__(self, encoder: Encoder, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        hard = (np.arange(encoder.width) >= len(encoder.numbers)).astype(np.float32)
        self._scale, self._shift = 1.0 + hard * (2 * KEPT - 1), hard * KEPT

    def call(self, x: Tensor) -> Tensor:
        return x * self._scale - self._shift


def _straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    return hard + (soft - ops.stop_gradient(soft))  # the bracket is exactly 0
