"""Discriminators and generators, as Keras models.

No batch norm in a discriminator: labelled, unlabelled and fake rows go through it in one pass and must not see one
another. Noise takes its place as the regulariser; it is there in training alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ssgan.learn.backend import Draws, Tensor, keras
from ssgan.learn.encode import CLIP, Encoder
from ssgan.learn.heads import Head

ops = keras.ops
layers = keras.layers

LATENT = 64  # uniform numbers a fake is made from
INPUT_NOISE = 0.15  # standard deviations; tables: tabular noise of 0.6/0.3 was worse, 0.1/0.05 no better
HIDDEN_NOISE = 0.3
SLOPE = 0.1  # of leaky ReLU below 0


class _Layer(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """The one untyped base."""


class Noise(_Layer):
    """Adds uniform noise of the given standard deviation in training; drawing normal noise costs a third of a step."""

    def __init__(self, deviation: float, draws: Draws, name: str) -> None:
        super().__init__(name=name)
        self._reach, self._draws = deviation * math.sqrt(3), draws

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        return x + self._draws.uniform(ops.shape(x), -self._reach, self._reach) if training else x


class ChannelDropout(_Layer):
    """Drops whole channels of [n, height, width, channels] in training (Tompson et al. 2015)."""

    def __init__(self, share: float, draws: Draws, name: str) -> None:
        super().__init__(name=name)
        self._share, self._draws = share, draws

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        if not training:
            return x
        kept = self._draws.uniform((ops.shape(x)[0], 1, 1, x.shape[-1])) >= self._share
        return x * ops.cast(kept, x.dtype) / (1.0 - self._share)


class PiecewiseLinear(_Layer):
    """Per bin of a numeric feature, how far the value has gone through it, -1 .. 1 (Gorishniy et al. 2022, eq. 1).

    [n, F] -> [n, bins]. Bins are the encoder's: quantiles of all training rows.
    """

    def __init__(self, encoder: Encoder, name: str) -> None:
        super().__init__(name=name)
        edges = [np.asarray(part.edges, np.float32) for part in encoder.numbers]
        self._feature = np.repeat(np.arange(len(edges), dtype=np.int32), [max(len(each) - 1, 0) for each in edges])
        self._low = np.concatenate([np.zeros(0, np.float32), *(each[:-1] for each in edges)])
        self._width = np.concatenate([np.zeros(0, np.float32), *(np.diff(each) for each in edges)])

    @property
    def bins(self) -> int:
        return len(self._feature)

    def call(self, x: Tensor) -> Tensor:
        share = (ops.take(x, self._feature, axis=1) - self._low) / self._width
        return ops.clip(share, 0.0, 1.0) * 2.0 - 1.0


class BatchStandardise(_Layer):
    """Standardises each channel over the batch. For generators, which only ever run in whole batches; no state."""

    def call(self, x: Tensor) -> Tensor:
        axes = list(range(len(x.shape) - 1))
        mean, variance = ops.moments(x, axes=axes, keepdims=True)
        return (x - mean) * ops.rsqrt(variance + 1e-5)


class TableRow(_Layer):
    """Raw generator outputs [n, F] -> an encoded row with exact one-hots.

    Flags and categories are hard in the forward pass and soft in the backward pass (straight-through, Bengio et al.
    2013): soft ones would give a fake away by its blur. A value whose flag says missing is 0, as in real rows.
    """

    def __init__(self, encoder: Encoder, name: str) -> None:
        super().__init__(name=name)
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


def _straight_through(hard: Tensor, soft: Tensor) -> Tensor:
    return hard + (soft - ops.stop_gradient(soft))  # the bracket is exactly 0


def discriminator(encoder: Encoder, head: Head, hidden: Sequence[int], draws: Draws, seed: int) -> Any:
    """A Keras model x -> [features h [n, H], outputs [n, head.width]].

    Args:
        encoder: gives the shape of a row, and a table's bins.
        head: reads the outputs.
        hidden: widths of a table's hidden layers; images ignore it.
        draws: noise.
        seed: of the initial weights.
    """
    seeds = _seeds(seed)
    x = keras.Input(encoder.shape, name="x")
    features = _table_trunk(x, encoder, hidden, draws, seeds) if encoder.image is None else _trunk(x, draws, seeds)
    small = keras.initializers.VarianceScaling(0.01, "fan_avg", "uniform", seed=next(seeds))  # a tenth of Glorot's
    outputs = layers.Dense(head.width, kernel_initializer=small, name="outputs")(features)
    return keras.Model(x, [features, outputs], name="discriminator")


def _table_trunk(x: Tensor, encoder: Encoder, hidden: Sequence[int], draws: Draws, seeds: Iterator[int]) -> Tensor:
    h = Noise(INPUT_NOISE, draws, "noise")(x)
    piecewise = PiecewiseLinear(encoder, "piecewise")
    if piecewise.bins:
        h = layers.Concatenate(name="embedded")([h, piecewise(h)])
    for place, width in enumerate(hidden):
        if place:
            h = Noise(HIDDEN_NOISE, draws, f"noise_{place}")(h)
        h = layers.Dense(width, kernel_initializer=_he(seeds), name=f"hidden_{place}")(h)
        h = layers.LeakyReLU(SLOPE, name=f"leaky_{place}")(h)
    return h


def _trunk(x: Tensor, draws: Draws, seeds: Iterator[int]) -> Tensor:
    """Strided convolutions down to 2 x 2 .. 4 x 4, then the mean over places (Improved GAN's SVHN net, cut down)."""
    h = Noise(INPUT_NOISE, draws, "noise")(x)
    h = _conv(h, 32, 1, "conv_0", seeds)
    most = min(128, 8 * min(x.shape[1], x.shape[2]))  # small images have little to tell apart
    place, channels = 1, min(64, most)
    while max(h.shape[1], h.shape[2]) > 4 or place < 3:
        h = _conv(h, channels, 2, f"conv_{place}", seeds)
        h = ChannelDropout(0.2, draws, f"dropout_{place}")(h)
        place, channels = place + 1, min(2 * channels, most)
    return layers.GlobalAveragePooling2D(name="mean")(h)


def _conv(x: Tensor, channels: int, stride: int, name: str, seeds: Iterator[int]) -> Tensor:
    x = layers.Conv2D(channels, 3, stride, padding="same", kernel_initializer=_he(seeds), name=name)(x)
    return layers.LeakyReLU(SLOPE, name=f"leaky_{name}")(x)


def generator(encoder: Encoder, seed: int) -> Any:
    """A Keras model: uniform numbers [n, LATENT] in [-1, 1] -> encoded rows of the encoder's shape."""
    seeds = _seeds(seed)
    z = keras.Input((LATENT,), name="z")
    rows = _table_generator(z, encoder, seeds) if encoder.image is None else _image_generator(z, encoder.shape, seeds)
    return keras.Model(z, rows, name="generator")


def _table_generator(z: Tensor, encoder: Encoder, seeds: Iterator[int]) -> Tensor:
    h = z
    for place in range(2):
        h = layers.Dense(128, kernel_initializer=_he(seeds), name=f"hidden_{place}")(h)
        h = layers.LeakyReLU(SLOPE, name=f"leaky_{place}")(BatchStandardise(name=f"standard_{place}")(h))
    raw = layers.Dense(encoder.width, kernel_initializer=_glorot(seeds), name="raw")(h)
    return TableRow(encoder, "row")(raw)


def _image_generator(z: Tensor, shape: tuple[int, ...], seeds: Iterator[int]) -> Tensor:
    """Transposed convolutions from 2 x 2 .. 4 x 4 up, each doubling the size (DCGAN, Radford et al. 2016)."""
    height, width, colours = shape
    doublings = max(2, math.ceil(math.log2(max(height, width) / 4)))
    rows, columns = math.ceil(height / 2**doublings), math.ceil(width / 2**doublings)
    channels = 32 * 2 ** min(doublings - 1, 2)
    h = layers.Dense(rows * columns * channels, kernel_initializer=_he(seeds), name="seed")(z)
    h = layers.Reshape((rows, columns, channels), name="grid")(h)
    for place in range(doublings - 1):
        h = layers.LeakyReLU(SLOPE, name=f"leaky_{place}")(BatchStandardise(name=f"standard_{place}")(h))
        channels = max(channels // 2, 16)
        h = layers.Conv2DTranspose(
            channels, 4, 2, padding="same", kernel_initializer=_he(seeds), name=f"deconv_{place}"
        )(h)
    h = layers.LeakyReLU(SLOPE, name="leaky_last")(BatchStandardise(name="standard_last")(h))
    pixels = layers.Conv2DTranspose(
        colours, 4, 2, padding="same", kernel_initializer=_glorot(seeds), activation="tanh", name="pixels"
    )(h)
    return pixels[:, :height, :width, :]


def _seeds(seed: int) -> Iterator[int]:
    source = np.random.default_rng(seed)
    while True:
        yield int(source.integers(2**31))


def _he(seeds: Iterator[int]) -> Any:
    return keras.initializers.HeNormal(next(seeds))


def _glorot(seeds: Iterator[int]) -> Any:
    return keras.initializers.GlorotUniform(next(seeds))
