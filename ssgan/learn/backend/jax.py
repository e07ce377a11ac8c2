"""JAX: a compiled while loop that carries the state, threefry random numbers, rows spread over the devices."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import jax as _jax
import jax.numpy as jnp
import numpy as np

from ssgan.learn.backend.copies import Copies, Watch
from ssgan.learn.backend.state import Moments, State, Step, StepLoop, Tensor, Variable
from ssgan.learn.backend.switch import keras

jax: Any = _jax  # half of its functions have types, which is worse than none
_SCOPES: list[keras.StatelessScope] = []  # those that are open, the innermost last


def device() -> str:
    """What the computation runs on, such as "CPU (2 cores)" or "GPU (NVIDIA H200)"."""
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        return f"CPU ({len(os.sched_getaffinity(0))} cores)"
    several = f"{len(devices)} x " if len(devices) > 1 else ""
    return f"{devices[0].platform.upper()} ({several}{devices[0].device_kind})"


def deterministic(seed: int) -> None:
    """Makes this process give the same bytes for the same seed. For a process of our own: the switch is global."""
    random.seed(seed)  # where Keras takes seeds from; its own `set_random_seed` would load TensorFlow too
    np.random.seed(seed)  # noqa: NPY002
    jax.config.update("jax_default_matmul_precision", "highest")  # a GPU would round what ONNX Runtime does not


def undivided() -> None:
    """Nothing: XLA does not divide a small network's operations."""


def constant(array: np.ndarray) -> Tensor:
    """The array on the device."""
    return jnp.asarray(array)


def rows_here(rows: int) -> int:
    """How many of a step's rows the program sees: all, for the compiler divides them."""
    return rows


def spread(batch: Tensor) -> Tensor:
    """The batch with its rows divided over all local devices, which then share the work (data parallelism)."""
    devices = jax.local_devices()
    if len(devices) == 1 or batch.shape[0] % len(devices):
        return batch
    mesh = jax.sharding.Mesh(np.asarray(devices), ("rows",))
    by_rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("rows"))
    return jax.lax.with_sharding_constraint(batch, by_rows)


class Draws:
    """Random numbers that depend on the seed, the step and the place of the call alone.

    Threefry: on a CPU the other generator, rbg, halves the speed of a small net.
    """

    def __init__(self, seed: int) -> None:
        # Made here, it is an argument of the compiled steps: runs that differ in the seed alone share what is compiled.
        self._seeded = jax.random.key(seed, impl="threefry2x32")
        self.start(-1)

    def start(self, step: Tensor) -> None:
        """Goes to the numbers of a step; drawing without it goes on from the last."""
        self._key = jax.random.fold_in(self._seeded, step + 1)
        self._calls = 0

    def uniform(self, shape: Any, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32, low <= number < high."""
        return jax.random.uniform(self._next(), shape, jnp.float32, low, high)

    def normal(self, shape: Any) -> Tensor:
        """float32, standard normal."""
        return jax.random.normal(self._next(), shape, jnp.float32)

    def integers(self, shape: Any, below: int) -> Tensor:
        """int32, 0 <= number < below."""
        return jax.random.randint(self._next(), shape, 0, below, jnp.int32)

    def _next(self) -> Any:
        self._calls += 1
        return jax.random.fold_in(self._key, self._calls)


@contextlib.contextmanager
def _carrying(variables: Sequence[Variable], values: Sequence[Tensor]) -> Iterator[keras.StatelessScope]:
    """Within it the variables have these values, and all others those of the scope around it."""
    scope = keras.StatelessScope(list(zip(variables, values, strict=True)))
    if _SCOPES:
        scope.state_mapping = {**_SCOPES[-1].state_mapping, **scope.state_mapping}
    _SCOPES.append(scope)
    try:
        with scope:
            yield scope
    finally:
        _SCOPES.pop()


def gradients(
    forward: Callable[[], tuple[tuple[Tensor, ...], Tensor]], targets: Sequence[Sequence[Variable]]
) -> tuple[list[list[Tensor]], Tensor]:
    """The gradient of the i-th loss by the i-th set of weights, all from one forward pass, and what it reports."""
    weights = [weight for group in targets for weight in group]

    def pure(values: list[Tensor]) -> tuple[tuple[Tensor, ...], Tensor]:
        with _carrying(weights, values):
            return forward()

    losses, pull, report = jax.vjp(pure, [weight.value for weight in weights], has_aux=True)
    found, at = [], 0
    for place, group in enumerate(targets):
        unit = tuple(jnp.asarray(float(place == each), loss.dtype) for each, loss in enumerate(losses))
        (slopes,) = pull(unit)  # what no one asks for is not computed: the compiler sees that it is unused
        found.append(slopes[at : at + len(group)])
        at += len(group)
    return found, report


def slope(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The gradient of a scalar function by its input; may be called inside `gradients`."""
    return jax.grad(function)(at)


class Adam(Moments):
    """Adam (Kingma & Ba 2015, algorithm 1)."""

    def apply(self, gradients: Sequence[Tensor], rate: Tensor, step: Tensor) -> None:
        """Moves the weights; `step` counts from 0."""
        time = jnp.asarray(step + 1, jnp.float32)
        scale = rate * jnp.sqrt(1.0 - self._beta2**time) / (1.0 - self._beta1**time)
        for (weight, first, second), gradient in zip(self._slots, gradients, strict=True):
            mean = first.value + (1.0 - self._beta1) * (gradient - first.value)
            square = second.value + (1.0 - self._beta2) * (gradient * gradient - second.value)
            first.assign(mean)
            second.assign(square)
            weight.assign(weight.value - scale * mean / (jnp.sqrt(square) + self._epsilon))


def compiled(function: Callable[..., Tensor]) -> Callable[..., np.ndarray]:
    """A pure function of numbers and arrays as one graph; answers as numpy."""
    graph = jax.jit(function)
    return lambda *given: np.asarray(graph(*given))


class Loop(StepLoop):
    """Many steps per call: `loop(first, count)` runs steps first .. first + count - 1, returns their mean report."""

    _graph: Callable[..., Any] | None = None

    def __init__(self, step: Step, reported: int, state: State, early: tuple[int, Step] | None = None) -> None:  # noqa: ARG002
        """As `StepLoop`; to compile the early steps too takes longer than they save."""
        super().__init__(step, reported, state)
        self._graphs: dict[int, Callable[..., Any]] = {}  # by the number of copies

    def __call__(self, first: int, count: int) -> np.ndarray:
        held, report = self.run(self.held(), first, count)
        self.hold(held)
        return report

    def held(self) -> list[Tensor]:
        """What the variables hold now."""
        return [variable.value for variable in self._state.variables]

    def run(self, held: list[Tensor], first: int, count: int) -> tuple[list[Tensor], np.ndarray]:
        """The steps on a copy, without touching the variables: the copy after them, and their mean report."""
        numbers = jnp.asarray(first, jnp.int32), jnp.asarray(count, jnp.int32)
        self._graph = self._graph or _without_baked_data(self._steps, held, *numbers)
        held, report = self._graph(held, *numbers)
        return held, np.asarray(report)

    def run_all(self, held: list[Tensor], copies: int, first: int, count: int) -> tuple[list[Tensor], np.ndarray]:
        """As `run`, on copies whose axis is the first of every array; reports [copies, reported]."""
        numbers = jnp.asarray(first, jnp.int32), jnp.asarray(count, jnp.int32)
        if copies not in self._graphs:
            none = jnp.zeros((copies, self.reported), jnp.float32)
            steps = partial(_many, jax.vmap(self._one, in_axes=(None, 0)), none=none)
            self._graphs[copies] = _without_baked_data(steps, held, *numbers)
        held, reports = self._graphs[copies](held, *numbers)
        return held, np.asarray(reports)

    def _one(self, number: Tensor, held: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        """One step, as a pure function."""
        with _carrying(self._state.variables, held) as scope:
            report = self._step(number)
        return [scope.get_current_value(variable) for variable in self._state.variables], report

    def _steps(self, held: list[Tensor], first: Tensor, count: Tensor) -> tuple[list[Tensor], Tensor]:
        return _many(self._one, held, first, count, jnp.zeros(self.reported, jnp.float32))


def _many(
    step: Callable[..., Any], held: list[Tensor], first: Tensor, count: Tensor, none: Tensor
) -> tuple[list[Tensor], Tensor]:
    """Steps first .. first + count - 1, and their mean report; `none` is that of no steps."""

    def body(carry: tuple[Tensor, list[Tensor], Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
        number, held, total = carry
        held, report = step(number, held)
        return number + 1, held, total + report

    _, held, total = jax.lax.while_loop(lambda carry: carry[0] < first + count, body, (first, held, none))
    return held, total / count


class Stacked(Copies):
    """All copies as one more axis of every array, for a card: five small networks keep it as busy as one large one.

    Sums are taken in another order than in a single run: the last bits differ.
    """

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop)
        self._stacked = loop

    def learn(self, first: int, end: int, at_once: int, watch: Watch) -> None:
        """Runs steps first .. end - 1 on all copies, `at_once` in a call."""
        copies = len(self._held)
        held = [jnp.stack(each) for each in zip(*self._held, strict=True)]
        for done in range(first, end, at_once):
            count = min(at_once, end - done)
            held, reports = self._stacked.run_all(held, copies, done, count)
            for each in reports:
                watch(done + count, each)
        self._held = [[each[place] for each in held] for place in range(copies)]


def copies(loop: Loop) -> Copies:
    """Copies of what the loop's variables hold that learn at the same time: a core or a slice of the card for each."""
    return Copies(loop) if jax.local_devices()[0].platform == "cpu" else Stacked(loop)


def _without_baked_data(function: Callable[..., Any], *example: Any) -> Callable[..., Any]:
    """The compiled function, with the training rows as arguments: baked in, they would be compiled and kept twice."""
    traced, shape = jax.make_jaxpr(function, return_shape=True)(*example)
    tree = jax.tree.structure(shape)
    graph = jax.jit(lambda rows, *given: jax.core.eval_jaxpr(traced.jaxpr, rows, *jax.tree.leaves(given)))
    return lambda *given: jax.tree.unflatten(tree, graph(traced.consts, *given))
