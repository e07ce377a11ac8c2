"""Weight normalisation (Salimans & Kingma 2016, arXiv:1602.07868): w = g v/|v| per output, g set by a batch of data.

It does for a discriminator what batch norm does elsewhere, and no row sees another. As in Improved GAN, the scale g of
a hidden layer stays what the data made it; only the last layer's is learned.

A generator's last layer takes the batch's mean out as well (mean-only batch norm, same paper, section 4). What comes
into it has a large mean, and a normed kernel needs few steps at a high learning rate to turn along it: every pixel is
then at an end of its range, where there is no slope, and the discriminator tells such fakes without learning anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ssgan.learn.backend import Tensor, keras
from ssgan.learn.layers import Initializer, Layer

ops = keras.ops

DEVIATION = 0.05  # of v; its length has no say in the output, only in how fast its direction turns
FIRST_CONTRAST = 0.5  # scale of a generator's last layer at first
FURTHEST = 0.98  # of a pixel that a generator starts at: at the ends of the range there is no slope


class Normed(Layer):
    """A layer whose kernel is normalised per output channel."""

    over: tuple[int, ...]  # axes of the kernel that one output sums over
    initialising = False

    def __init__(
        self, outputs: int, seed: int, name: str, gain: float = 1.0, learn_scale: bool = False, dtype: Any = None
    ) -> None:
        """`gain`: standard deviation of the pre-activations after `initialise`."""
        super().__init__(name=name, dtype=dtype)
        self.outputs, self._seed, self._gain, self._learn_scale = outputs, seed, gain, learn_scale

    def build(self, shape: tuple[int | None, ...]) -> None:
        initial = Initializer(self._seed, deviation=DEVIATION)
        self.direction = self._own("direction", self._kernel_shape(int(shape[-1] or 0)), initial)
        self.scale = self._own("scale", (self.outputs,), keras.initializers.Constant(self._gain), self._learn_scale)
        self.bias = self._own("bias", (self.outputs,), "zeros")

    def _own(self, name: str, shape: tuple[int, ...], initial: Any, learned: bool = True) -> Any:
        # Without autocast: lengths are measured in float32 whatever the layer computes in.
        return self.add_weight(shape=shape, initializer=initial, name=name, trainable=learned, autocast=False)

    def call(self, x: Tensor) -> Tensor:
        length = ops.sqrt(ops.sum(ops.square(ops.convert_to_tensor(self.direction)), axis=self.over) + 1e-12)
        y = self._linear(x, ops.cast(self.direction, self.compute_dtype))
        if self.initialising:
            self._standardise(ops.cast(y, "float32") / length)
        return y * ops.cast(self.scale / length, y.dtype) + ops.cast(self.bias, y.dtype)

    def _standardise(self, y: Tensor) -> None:
        """Sets scale and bias so that these pre-activations have mean 0 and deviation `gain` per channel."""
        mean, variance = ops.moments(y, axes=tuple(range(len(y.shape) - 1)))
        scale = self._gain * ops.rsqrt(variance + 1e-5)
        self.scale.assign(scale)
        self.bias.assign(-mean * scale)

    def kernel(self) -> np.ndarray:
        """g v/|v|, as a plain layer has it."""
        direction, scale = (
            np.asarray(ops.convert_to_numpy(each.value), np.float64) for each in (self.direction, self.scale)
        )
        shape = [1 if axis in self.over else -1 for axis in range(direction.ndim)]
        length = np.sqrt(np.square(direction).sum(axis=self.over, keepdims=True) + 1e-12)
        kernel: np.ndarray = (direction / length * scale.reshape(shape)).astype(np.float32)
        return kernel

    def _kernel_shape(self, inputs: int) -> tuple[int, ...]:
        raise NotImplementedError

    def _linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        raise NotImplementedError

    def plain(self) -> Any:
        """The Keras layer of the same kind, without weights."""
        raise NotImplementedError


class NormedDense(Normed):
    """[..., inputs] -> [..., outputs]."""

    over = (0,)

    def _kernel_shape(self, inputs: int) -> tuple[int, ...]:
        return (inputs, self.outputs)

    def _linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(x, kernel)

    def plain(self) -> Any:
        return keras.layers.Dense(self.outputs, name=self.name, dtype=self.dtype_policy)


class NormedPixels(NormedDense):
    """A generator's last layer: [n, inputs] -> pixels in [-1, 1], float32; the batch's mean of a pixel is its bias.

    For training alone: a batch of one row is that mean.
    """

    def __init__(self, outputs: int, seed: int, name: str) -> None:
        super().__init__(outputs, seed, name, FIRST_CONTRAST, learn_scale=True)

    def _linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(x - ops.mean(x, axis=0, keepdims=True), kernel)

    def call(self, x: Tensor) -> Tensor:
        return ops.tanh(ops.cast(super().call(x), "float32"))

    def start_at(self, rows: np.ndarray) -> None:
        """Makes the mean of these rows [n, ...], in [-1, 1], what its fakes vary around."""
        mean = np.asarray(rows, np.float32).reshape(len(rows), -1).mean(axis=0)
        self.bias.assign(np.arctanh(np.clip(mean, -FURTHEST, FURTHEST)))


class NormedConv(Normed):
    """[n, height, width, inputs] -> [n, height', width', outputs]."""

    over = (0, 1, 2)

    def __init__(
        self, outputs: int, size: int, stride: int, seed: int, name: str, padding: str = "same", gain: float = 1.0
    ) -> None:
        super().__init__(outputs, seed, name, gain)
        self._size, self._stride, self._padding = size, stride, padding

    def _kernel_shape(self, inputs: int) -> tuple[int, ...]:
        return (self._size, self._size, inputs, self.outputs)

    def _linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.conv(x, kernel, self._stride, self._padding, data_format="channels_last")

    def plain(self) -> Any:
        return keras.layers.Conv2D(
            self.outputs,
            self._size,
            self._stride,
            padding=self._padding,
            data_format="channels_last",
            name=self.name,
            dtype=self.dtype_policy,
        )


class NormedDeconv(Normed):
    """A transposed convolution that doubles the size: [n, h, w, inputs] -> [n, 2h, 2w, outputs]. For generators."""

    over = (0, 1, 3)

    def __init__(self, outputs: int, size: int, seed: int, name: str) -> None:
        super().__init__(outputs, seed, name, learn_scale=True)
        self._size = size

    def _kernel_shape(self, inputs: int) -> tuple[int, ...]:
        return (self._size, self._size, self.outputs, inputs)

    def _linear(self, x: Tensor, kernel: Tensor) -> Tensor:
        return ops.conv_transpose(x, kernel, 2, "same", data_format="channels_last")

    def plain(self) -> Any:
        return keras.layers.Conv2DTranspose(
            self.outputs,
            self._size,
            2,
            padding="same",
            data_format="channels_last",
            name=self.name,
            dtype=self.dtype_policy,
        )


def initialise(model: Any, x: Tensor) -> None:
    """Sets scale and bias of every normed layer, first to last, so that its pre-activations on `x` are standardised.

    Runs the model once as in training, noise included. Nothing happens to a model without normed layers.

    Args:
        model: a discriminator.
        x: some hundred encoded training rows.
    """
    layers = list(_normed(model))
    if not layers:
        return
    try:
        for layer in layers:
            layer.initialising = True
        model(x, training=True)
    finally:
        for layer in layers:
            layer.initialising = False


def start_at(model: Any, rows: np.ndarray) -> None:
    """Lets a generator begin near the data; nothing happens to one without `NormedPixels`.

    Args:
        model: a generator.
        rows: some hundred encoded training rows.
    """
    for layer in _normed(model):
        if isinstance(layer, NormedPixels):
            layer.start_at(rows)


def fold(model: Any) -> Any:
    """A model of plain layers that answers as this one, to 1e-5: what is exported.

    Layers that are not normed are shared with the model, which stays as it is.
    """
    if not any(_normed(model)):
        return model
    folded: list[tuple[Normed, Any]] = []

    def replace(layer: Any) -> Any:
        if not isinstance(layer, Normed):
            return fold(layer) if isinstance(layer, keras.Model) else layer
        folded.append((layer, layer.plain()))
        return folded[-1][1]

    clone = keras.models.clone_model(model, clone_function=replace)
    for layer, plain in folded:
        plain.set_weights([layer.kernel(), np.asarray(ops.convert_to_numpy(layer.bias.value))])
    return clone


def _normed(model: Any) -> Iterator[Normed]:
    return (layer for layer in model._flatten_layers() if isinstance(layer, Normed))
