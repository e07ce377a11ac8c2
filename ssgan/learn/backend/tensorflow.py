"""TensorFlow: a graph with a while loop, Philox random numbers, the fused Adam kernel, a share of a step per device."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from ssgan.learn.backend.copies import Copies
from ssgan.learn.backend.quiet import quiet
from ssgan.learn.backend.state import Moments, State, Step, StepLoop, Tensor, Variable
from ssgan.learn.backend.switch import keras

with quiet():
    import tensorflow as tf

    _GPUS = tf.config.list_physical_devices("GPU")
    for _gpu in _GPUS:
        with contextlib.suppress(RuntimeError):  # too late, when another library has used the card already
            tf.config.experimental.set_memory_growth(_gpu, True)

_share: int | None = None  # which device's share of a step is being put into the graph


def device() -> str:
    """What the computation runs on, such as "CPU (2 cores)" or "GPU (NVIDIA H200)"."""
    if _GPUS:
        details = tf.config.experimental.get_device_details(_GPUS[0])
        several = f"{len(_GPUS)} x " if len(_GPUS) > 1 else ""
        return f"GPU ({several}{details.get('device_name', 'unnamed')})"
    return f"CPU ({len(os.sched_getaffinity(0))} cores)"


def deterministic(seed: int) -> None:
    """Makes this process give the same bytes for the same seed. For a process of our own: the switch is global."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)  # a GPU would round what ONNX Runtime does not


def undivided() -> None:
    """Gives every operation one core; bits stay. For a process of our own, before it computes: the switch is global.

    Two cores take longer over a small network's operation than one, and then get in the way of copies that learn on a
    core each.
    """
    with contextlib.suppress(RuntimeError):  # too late, when something has been computed already
        tf.config.threading.set_intra_op_parallelism_threads(1)


@cache
def _devices() -> list[str]:
    """Asked for when a step is put together, not at import: it starts TensorFlow's threads, which no fork survives."""
    return [each.name for each in tf.config.list_logical_devices("GPU" if _GPUS else "CPU")]


def constant(array: np.ndarray) -> Tensor:
    """The array on the device."""
    return tf.constant(array)


def rows_here(rows: int) -> int:
    """How many of a step's rows one device sees; all of them where they cannot be divided evenly."""
    return rows if _share is None or rows % len(_devices()) else rows // len(_devices())


def spread(batch: Tensor) -> Tensor:
    """The rows of the batch that the device at hand sees; see `gradients`."""
    rows = rows_here(batch.shape[0])
    return batch if _share is None or rows == batch.shape[0] else batch[_share * rows : (_share + 1) * rows]


class Draws:
    """Random numbers that depend on the seed, the step and the place of the call alone (Philox, Salmon et al. 2011).

    The counter's upper half is the step, its lower half goes on with every call: 2^64 numbers for each step. Nothing is
    kept in a variable, so that several copies of a run can draw at once.
    """

    def __init__(self, seed: int) -> None:
        self._key = tf.constant([seed], tf.uint64)
        self.start(-1)

    def start(self, step: Tensor) -> None:
        """Goes to the numbers of a step; drawing without it goes on from the last."""
        self._high = tf.cast(tf.cast(step, tf.int64) + 1, tf.uint64)
        self._low = 0

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32, low <= number < high."""
        drawn = tf.raw_ops.StatelessRandomUniformV2(shape=shape, **self._next(shape))
        return drawn if (low, high) == (0.0, 1.0) else drawn * (high - low) + low

    def normal(self, shape: Any) -> Tensor:
        """float32, standard normal; a third slower than uniform numbers."""
        return tf.raw_ops.StatelessRandomNormalV2(shape=shape, **self._next(shape))

    def integers(self, shape: Any, below: int) -> Tensor:
        """int32, 0 <= number < below."""
        return tf.raw_ops.StatelessRandomUniformIntV2(shape=shape, minval=0, maxval=below, **self._next(shape))

    def _next(self, shape: Any) -> dict[str, Any]:
        counter = tf.stack([tf.constant(self._low, tf.uint64), self._high])
        self._low += 256 * math.prod(int(each) for each in shape)  # more than any of the three uses up
        return {"key": self._key, "counter": counter, "alg": 1}


def gradients(
    forward: Callable[[], tuple[tuple[Tensor, ...], Tensor]], targets: Sequence[Sequence[Variable]]
) -> tuple[list[list[Tensor]], Tensor]:
    """The gradient of the i-th loss by the i-th set of weights, all from one forward pass, and what it reports.

    With several devices each passes its share of the rows, with the weights of the first; gradients and reports are
    the means of theirs. What a loss takes over a batch, such as mean features, it then takes over a share.
    """
    global _share
    if len(_devices()) == 1:
        return _gradients(forward, targets)
    parts = []
    try:
        for _share, name in enumerate(_devices()):
            with tf.device(name):
                parts.append(_gradients(forward, targets))
    finally:
        _share = None
    slopes = [
        [tf.add_n(list(each)) / len(parts) for each in zip(*groups, strict=True)]
        for groups in zip(*(part[0] for part in parts), strict=True)
    ]
    return slopes, tf.add_n([part[1] for part in parts]) / len(parts)


def _gradients(
    forward: Callable[[], tuple[tuple[Tensor, ...], Tensor]], targets: Sequence[Sequence[Variable]]
) -> tuple[list[list[Tensor]], Tensor]:
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


class Loop(StepLoop):
    """Many steps per call: `loop(first, count)` runs steps first .. first + count - 1, returns their mean report."""

    def __init__(self, step: Step, reported: int, state: State, early: tuple[int, Step] | None = None) -> None:
        """As `StepLoop`."""
        super().__init__(step, reported, state)
        self._until, other = early or (0, step)
        self._early, self._late = (tf.function(partial(self._steps, each), autograph=False) for each in (other, step))

    def __call__(self, first: int, count: int) -> np.ndarray:
        return self.run([variable.value for variable in self._state.variables], first, count)[1]

    def held(self) -> list[tf.Variable]:
        """A copy of what the variables hold now."""
        own = [variable.value for variable in self._state.variables]
        return [tf.Variable(value, trainable=value.trainable) for value in own]

    def run(self, held: list[tf.Variable], first: int, count: int) -> tuple[list[tf.Variable], np.ndarray]:
        """The steps on a copy, which they change: by the same graph, at the same time as others on other copies."""
        graph = self._early if first < self._until else self._late
        return held, np.asarray(graph(held, tf.constant(first), tf.constant(count)))

    def _steps(self, step: Step, held: list[tf.Variable], first: Tensor, count: Tensor) -> Tensor:
        def body(number: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
            with keras.StatelessScope(initialize_variables=False) as scope:
                given = dict(zip((id(variable) for variable in self._state.variables), held, strict=True))
                scope.state_mapping = dict(given)  # its own way in would read the variables
                report = step(number)
            for key, variable in given.items():
                if scope.state_mapping[key] is not variable:
                    variable.assign(scope.state_mapping[key])
            return number + 1, total + report

        start = (first, tf.zeros([self.reported]))
        _, total = tf.while_loop(lambda number, _: number < first + count, body, start, parallel_iterations=1)
        return total / tf.cast(count, tf.float32)


def copies(loop: Loop) -> Copies:
    """Copies of what the loop's variables hold that learn at the same time."""
    return Copies(loop)
