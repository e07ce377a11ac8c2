"""TensorFlow: a graph with a while loop, Philox random numbers, the fused Adam kernel."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ssgan.learn.backend.quiet import quiet
from ssgan.learn.backend.state import Moments, State, Tensor, Variable
from ssgan.learn.backend.switch import keras

with quiet():
    import tensorflow as tf

    _GPUS = tf.config.list_physical_devices("GPU")
    for _gpu in _GPUS:
        with contextlib.suppress(RuntimeError):  # too late, when another library has used the card already
            tf.config.experimental.set_memory_growth(_gpu, True)


def device() -> str:
    """What the computation runs on, such as "CPU (2 cores)" or "GPU (NVIDIA H200)"."""
    if _GPUS:
        details = tf.config.experimental.get_device_details(_GPUS[0])
        return f"GPU ({details.get('device_name', 'unnamed')})"
    return f"CPU ({len(os.sched_getaffinity(0))} cores)"


def deterministic(seed: int) -> None:
    """Makes this process give the same bytes for the same seed. For a process of our own: the switch is global."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)  # a GPU would round what ONNX Runtime does not


def constant(array: np.ndarray) -> Tensor:
    """The array on the device."""
    return tf.constant(array)


def spread(batch: Tensor) -> Tensor:
    """The batch, as it is: on TensorFlow one device computes."""
    return batch


class Draws:
    """Random numbers that depend on the seed, the step and the place of the call alone (Philox counter)."""

    def __init__(self, seed: int) -> None:
        self._key = np.int64(seed)
        self._generator = tf.random.Generator.from_state([0, 0, self._key], alg="philox")

    def start(self, step: Tensor) -> None:
        """Goes to the numbers of a step; drawing without it goes on from the last."""
        high = tf.cast(step, tf.int64) + 1  # the upper half of the counter: 2^64 numbers for each step
        self._generator.state.assign(tf.stack([tf.constant(0, tf.int64), high, tf.constant(self._key)]))

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32, low <= number < high."""
        return self._generator.uniform(shape, low, high)

    def normal(self, shape: Any) -> Tensor:
        """float32, standard normal; a third slower than uniform numbers."""
        return self._generator.normal(shape)

    def integers(self, shape: Any, below: int) -> Tensor:
        """int32, 0 <= number < below."""
        return self._generator.uniform(shape, 0, below, dtype=tf.int32)


def gradients(
    forward: Callable[[], tuple[tuple[Tensor, ...], Tensor]], targets: Sequence[Sequence[Variable]]
) -> tuple[list[list[Tensor]], Tensor]:
    """The gradient of the i-th loss by the i-th set of weights, all from one forward pass, and what it reports."""
    with tf.GradientTape(persistent=len(targets) > 1) as tape:
        losses, report = forward()
    pairs = zip(losses, targets, strict=True)
    return [
        tape.gradient(loss, [weight.value for weight in weights], unconnected_gradients="zero")
        for loss, weights in pairs
    ], report


def slope(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The gradient of a scalar function by its input; may be called inside `gradients`."""
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = function(at)
    return tape.gradient(value, at)


class Adam(Moments):
    """Adam (Kingma & Ba 2015, algorithm 1), as TensorFlow's fused kernel: 13 % of a small net's step over plain ops."""

    def apply(self, gradients: Sequence[Tensor], rate: Tensor, step: Tensor) -> None:
        """Moves the weights; `step` counts from 0."""
        time = tf.cast(step + 1, tf.float32)
        for (weight, first, second), gradient in zip(self._slots, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=weight.value.handle,
                m=first.value.handle,
                v=second.value.handle,
                beta1_power=self._beta1**time,
                beta2_power=self._beta2**time,
                lr=rate,
                beta1=self._beta1,
                beta2=self._beta2,
                epsilon=self._epsilon,
                grad=gradient,
            )


def compiled(function: Callable[..., Tensor]) -> Callable[..., np.ndarray]:
    """A pure function of numbers and arrays as one graph; answers as numpy."""
    graph = tf.function(function, autograph=False)
    return lambda *given: np.asarray(graph(*(tf.constant(each) for each in given)))


def compiled_loop(
    step: Callable[[Tensor], Tensor],
    reported: int,
    state: State,  # noqa: ARG001  a graph changes variables by itself
) -> Callable[[int, int], np.ndarray]:
    """Many steps per call: `run(first, count)` runs steps first .. first + count - 1, returns their mean report.

    Args:
        step: takes the step's number, changes variables, returns a report of shape [reported].
        reported: how many numbers a step reports.
        state: every variable that the step changes.
    """

    def run(first: Tensor, count: Tensor) -> Tensor:
        total = tf.zeros([reported])
        _, total = tf.while_loop(
            lambda number, _: number < first + count,
            lambda number, total: (number + 1, total + step(number)),
            (first, total),
            parallel_iterations=1,
        )
        return total / tf.cast(count, tf.float32)

    graph = tf.function(run, autograph=False)
    return lambda first, count: np.asarray(graph(tf.constant(first), tf.constant(count)))


Copies = None  # a graph changes its own variables: copies of a run take turns
