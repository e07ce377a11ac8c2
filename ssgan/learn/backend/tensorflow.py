"""The one place that knows TensorFlow: device, random draws, gradients, Adam, the compiled loop.

Networks, losses, fakes and the step are written against Keras and against what stands here, so that another backend
means another file like this one. State lives in Keras variables only.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from ssgan.errors import ParamsError

Tensor = Any  # a backend's array; shapes are given where it matters
Variable = Any  # keras.Variable


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Points the process's error output nowhere: TensorFlow's C++ side writes there and knows no other switch."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "keras" not in sys.modules:
    os.environ["KERAS_BACKEND"] = "tensorflow"
with quiet():
    import keras as keras  # re-exported: whoever wants keras takes it from here, after the switches above
    import tensorflow as tf

    _GPUS = tf.config.list_physical_devices("GPU")
    for _gpu in _GPUS:
        with contextlib.suppress(RuntimeError):  # too late, when another library has used the card already
            tf.config.experimental.set_memory_growth(_gpu, True)

if keras.backend.backend() != "tensorflow":
    raise ParamsError(
        f"Keras already runs on {keras.backend.backend()!r} in this process, but ssgan needs 'tensorflow': "
        "set KERAS_BACKEND=tensorflow before the first import of keras"
    )


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


class Draws:
    """Random numbers on the device from one seed (Philox counter)."""

    def __init__(self, seed: int) -> None:
        self._generator = tf.random.Generator.from_seed(seed, alg="philox")

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32, low <= number < high."""
        return self._generator.uniform(shape, low, high)

    def integers(self, shape: Any, below: int) -> Tensor:
        """int32, 0 <= number < below."""
        return self._generator.uniform(shape, 0, below, dtype=tf.int32)


class Forward(Protocol):
    """A forward pass: its losses, one per set of weights, and what to report."""

    def __call__(self) -> tuple[tuple[Tensor, ...], Tensor]: ...


def gradients(forward: Forward, targets: Sequence[Sequence[Variable]]) -> tuple[list[list[Tensor]], Tensor]:
    """The gradient of the i-th loss by the i-th set of weights, all from one forward pass, and what it reports."""
    with tf.GradientTape(persistent=len(targets) > 1) as tape:
        losses, metrics = forward()
    pairs = zip(losses, targets, strict=True)
    return [tape.gradient(loss, [weight.value for weight in weights]) for loss, weights in pairs], metrics


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1), as TensorFlow's fused kernel: 13 % of a small net's step over plain ops."""

    def __init__(self, weights: Sequence[Variable], beta1: float, beta2: float = 0.999, epsilon: float = 1e-7) -> None:
        self._slots = [(weight, zeros_like(weight), zeros_like(weight)) for weight in weights]
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon

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


def zeros_like(weight: Variable) -> Variable:
    """State of the same shape, not trained by itself."""
    return keras.Variable(np.zeros(weight.shape, np.float32), trainable=False)


def compiled_loop(step: Callable[[Tensor], Tensor], reported: int) -> Callable[[int, int], np.ndarray]:
    """Many steps per call: `run(first, count)` runs steps first .. first + count - 1, returns their mean report.

    Args:
        step: takes the step's number, changes variables, returns a report of shape [reported].
        reported: how many numbers a step reports.
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


def predictor(model: Any, rows_at_once: int = 4096) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The model as a function from numpy rows to its outputs in order, without training noise."""

    def predict(x: np.ndarray) -> list[np.ndarray]:
        chunks = [tf.constant(x[at : at + rows_at_once]) for at in range(0, max(len(x), 1), rows_at_once)]
        parts = [keras.tree.flatten(model(chunk, training=False)) for chunk in chunks]
        return [np.concatenate([part[i].numpy() for part in parts]) for i in range(len(parts[0]))]

    return predict
