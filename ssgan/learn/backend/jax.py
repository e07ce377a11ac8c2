"""JAX: a compiled while loop that carries the state, threefry random numbers, rows spread over the devices."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax as _jax
import jax.numpy as jnp
import numpy as np

from ssgan.learn.backend.state import Moments, State, Tensor, Variable
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


def constant(array: np.ndarray) -> Tensor:
    """The array on the device."""
    return jnp.asarray(array)


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
        self._seed = seed
        self.start(-1)

    def start(self, step: Tensor) -> None:
        """Goes to the numbers of a step; drawing without it goes on from the last."""
        self._key = jax.random.fold_in(jax.random.key(self._seed, impl="threefry2x32"), step + 1)
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


def compiled_loop(step: Callable[[Tensor], Tensor], reported: int, state: State) -> Callable[[int, int], np.ndarray]:
    """Many steps per call: `run(first, count)` runs steps first .. first + count - 1, returns their mean report.

    Args:
        step: takes the step's number, changes variables, returns a report of shape [reported].
        reported: how many numbers a step reports.
        state: every variable that the step changes.
    """

    def run(values: list[Tensor], first: Tensor, count: Tensor) -> tuple[list[Tensor], Tensor]:
        def body(carry: tuple[Tensor, list[Tensor], Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
            number, values, total = carry
            with _carrying(state.variables, values) as scope:
                total = total + step(number)
            return number + 1, [scope.get_current_value(variable) for variable in state.variables], total

        start = (first, values, jnp.zeros(reported, jnp.float32))
        _, values, total = jax.lax.while_loop(lambda carry: carry[0] < first + count, body, start)
        return values, total / count

    graph: Callable[..., Any] | None = None

    def call(first: int, count: int) -> np.ndarray:
        nonlocal graph
        given = [variable.value for variable in state.variables]
        numbers = jnp.asarray(first, jnp.int32), jnp.asarray(count, jnp.int32)
        graph = graph or _without_baked_data(run, given, *numbers)
        values, report = graph(given, *numbers)
        for variable, value in zip(state.variables, values, strict=True):
            variable.assign(value)
        return np.asarray(report)

    return call


class Copies:
    """Several copies of a run's state that go through the same steps side by side: one compiled loop for all of them.

    They differ in what was put into them, such as the labelled rows they may see, and share every random number.
    """

    def __init__(self, step: Callable[[Tensor], Tensor], reported: int, state: State, count: int) -> None:
        """`count`: how many; the rest as for `compiled_loop`."""
        self._state, self._reported, self._step = state, reported, step
        self._values: list[list[Tensor]] = []
        self._count = count
        self._graph: Callable[..., Any] | None = None

    def put(self) -> None:
        """The next copy is what the variables hold now."""
        self._values.append([variable.value for variable in self._state.variables])

    def take(self, place: int) -> None:
        """Gives the variables what one of the copies holds."""
        for variable, value in zip(self._state.variables, self._values[place], strict=True):
            variable.assign(value)

    def advance(self, first: int, count: int) -> np.ndarray:
        """Runs steps first .. first + count - 1 on all copies, returns their mean reports [copies, reported]."""
        given = [jnp.stack(each) for each in zip(*self._values, strict=True)]
        numbers = jnp.asarray(first, jnp.int32), jnp.asarray(count, jnp.int32)
        self._graph = self._graph or _without_baked_data(self._run, given, *numbers)
        values, report = self._graph(given, *numbers)
        self._values = [[each[place] for each in values] for place in range(self._count)]
        return np.asarray(report)

    def _run(self, values: list[Tensor], first: Tensor, count: Tensor) -> tuple[list[Tensor], Tensor]:
        def one(number: Tensor, values: list[Tensor]) -> tuple[list[Tensor], Tensor]:
            with _carrying(self._state.variables, values) as scope:
                report = self._step(number)
            return [scope.get_current_value(variable) for variable in self._state.variables], report

        def body(carry: tuple[Tensor, list[Tensor], Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
            number, values, total = carry
            values, report = jax.vmap(one, in_axes=(None, 0))(number, values)
            return number + 1, values, total + report

        start = (first, values, jnp.zeros((self._count, self._reported), jnp.float32))
        _, values, total = jax.lax.while_loop(lambda carry: carry[0] < first + count, body, start)
        return values, total / count


def _without_baked_data(function: Callable[..., Any], *example: Any) -> Callable[..., Any]:
    """The compiled function, with the training rows as arguments: baked in, they would be compiled and kept twice."""
    traced, shape = jax.make_jaxpr(function, return_shape=True)(*example)
    tree = jax.tree.structure(shape)
    graph = jax.jit(lambda rows, *given: jax.core.eval_jaxpr(traced.jaxpr, rows, *jax.tree.leaves(given)))
    return lambda *given: jax.tree.unflatten(tree, graph(traced.consts, *given))
