"""The training rows, and how a step draws its share of them: held on the device, or streamed from a file.

Which rows a step sees is a function of the seed and the step's number alone. So rows that are streamed are the same
rows, in the same order, as those that would be held in memory.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from ssgan.learn import backend
from ssgan.learn.backend import Draws, State, Tensor, Variable, constant, keras, spread
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import Head
from ssgan.learn.prepare import is_labelled

ops = keras.ops


class Pool(Protocol):
    """Encoded training rows, labelled or not; their labels are not looked at."""

    def start(self, step: Tensor) -> None:
        """Goes to the rows of a step."""

    def rows(self) -> Tensor:
        """Rows [batch, ...]."""

    def more_rows(self) -> Tensor:
        """Other rows [batch, ...] of the same step, for an update that wants rows of its own."""

    def shuffled(self) -> Tensor:
        """Rows [batch, F] of a table whose columns come each from another row."""


class Labelled:
    """The labelled rows on the device, and which of them are learned from: all, or those that a fold may see."""

    def __init__(self, x: np.ndarray, y: np.ndarray, head: Head, batch: int, draws: Draws, state: State) -> None:
        known = is_labelled(y)
        self._labels, self._head, self._batch, self._draws = y[known], head, batch, draws
        self._x, self._targets = constant(np.asarray(x[known])), constant(head.targets(self._labels))
        self._most = len(head.strata(self._labels))
        self._order = _numbers(len(self._labels))
        self._shares = keras.Variable(head.shares(self._labels), trainable=False, dtype="float32")
        self._counts, self._starts, self._strata = (_numbers(size) for size in (self._most, self._most, 1))
        state.adopt([self._order, self._counts, self._starts, self._strata, self._shares], stored=False)
        self.learn_from(np.ones(len(self._labels), bool))

    def learn_from(self, chosen: np.ndarray) -> None:
        """Leaves the labelled rows out that `chosen` [m] does not name, a bool for each in their order."""
        places = np.flatnonzero(chosen)
        strata = [places[group] for group in self._head.strata(self._labels[places])]
        counts = np.array([len(each) for each in strata], np.int32)
        self._order.assign(_filled(np.concatenate(strata), len(self._labels)))
        self._counts.assign(_filled(counts, self._most))
        self._starts.assign(_filled(np.cumsum(counts) - counts, self._most))
        self._strata.assign(np.array([len(strata)], np.int32))
        self._shares.assign(self._head.shares(self._labels[places]))

    @property
    def shares(self) -> Tensor:
        """Of the classes among those that are learned from, see `Head.shares`."""
        return self._shares.value

    def start(self, step: Tensor) -> None:
        """Goes to the rows of a step."""
        self._draws.start(step)

    def rows(self) -> tuple[Tensor, Tensor]:
        """Rows and targets; every class has an equal share of the batch, to within one row."""
        first = self._draws.integers((1,), self._most)
        stratum = (first + np.arange(self._batch, dtype=np.int32)) % self._strata.value
        count = ops.take(self._counts.value, stratum)
        place = ops.cast(self._draws.uniform((self._batch,)) * ops.cast(count, "float32"), "int32")
        place = ops.take(self._starts.value, stratum) + ops.minimum(place, count - 1)
        chosen = ops.take(self._order.value, place)
        return spread(ops.take(self._x, chosen, axis=0)), spread(ops.take(self._targets, chosen, axis=0))


def _numbers(size: int) -> Variable:
    return keras.Variable(np.zeros(size, np.int32), trainable=False, dtype="int32")


def _filled(numbers: np.ndarray, size: int) -> np.ndarray:
    """The numbers, with zeros behind them that nobody reads."""
    return np.pad(numbers.astype(np.int32), (0, size - len(numbers)))


class Places:
    """Which rows, and for shuffled columns which cells, a step takes."""

    def __init__(self, rows: int, batch: int, groups: np.ndarray, draws: Sequence[Draws]) -> None:
        """`draws`: one source for each use, so that one can be drawn without the others."""
        self._rows, self.batch, self._groups = rows, batch, groups
        self._draws = dict(zip(("rows", "more", "cells"), draws, strict=True))

    def of_rows(self, use: str, step: Tensor) -> Tensor:
        """int32 [batch]."""
        self._draws[use].start(step)
        return self._draws[use].integers((self.batch,), self._rows)

    def of_cells(self, step: Tensor) -> Tensor:
        """int32 [batch, F]: per feature the row it is taken from; all features of a column from the same row."""
        self._draws["cells"].start(step)
        columns = int(self._groups.max(initial=0)) + 1
        return ops.take(self._draws["cells"].integers((self.batch, columns), self._rows), self._groups, axis=1)


class HeldPool:
    """Rows on the device."""

    def __init__(self, x: np.ndarray, places: Places) -> None:
        self._x = constant(np.ascontiguousarray(x))
        self._features = np.arange(x.shape[-1], dtype=np.int32)
        self._places = places

    def start(self, step: Tensor) -> None:
        self._step = step

    def rows(self) -> Tensor:
        return spread(ops.take(self._x, self._places.of_rows("rows", self._step), axis=0))

    def more_rows(self) -> Tensor:
        return spread(ops.take(self._x, self._places.of_rows("more", self._step), axis=0))

    def shuffled(self) -> Tensor:
        source = self._places.of_cells(self._step)
        flat = ops.reshape(self._x, (-1,))
        return spread(ops.take(flat, source * len(self._features) + self._features))


class StreamedPool:
    """Rows in a memory-mapped file: those of the next steps are read beside the steps that run."""

    def __init__(self, x: np.ndarray, places: Places, window: int, state: State) -> None:
        """`window`: steps whose rows are on the device at once, the most that one call of the loop may run."""
        self._x, self._window, self._batch = x, window, places.batch
        self._find: dict[str, Callable[..., np.ndarray]] = {
            use: backend.compiled(partial(places.of_rows, use)) for use in ("rows", "more")
        }
        if x.ndim == 2:
            self._find["cells"] = backend.compiled(places.of_cells)
        self._held = {
            use: keras.Variable(np.zeros((window * places.batch, *x.shape[1:]), np.float32), trainable=False, name=use)
            for use in self._find
        }
        state.adopt(self._held.values(), stored=False)
        self._reader = concurrent.futures.ThreadPoolExecutor(1, "rows")
        self._next: tuple[int, concurrent.futures.Future[dict[str, np.ndarray]]] | None = None
        self._first = keras.Variable(np.int32(0), trainable=False, dtype="int32", name="first")
        state.adopt([self._first], stored=False)

    def prepare(self, first: int, count: int, more: bool) -> None:
        """Puts the rows of steps first .. first + count - 1 on the device, and begins to read those after them."""
        if self._next is None or self._next[0] != first:
            self._next = first, self._reader.submit(self._read, first, count)
        for use, rows in self._next[1].result().items():
            self._held[use].assign(rows)
        self._first.assign(first)
        after = first + count
        self._next = (after, self._reader.submit(self._read, after, self._window)) if more else None

    def close(self) -> None:
        """Ends the reader."""
        self._reader.shutdown(cancel_futures=True)

    def start(self, step: Tensor) -> None:
        self._step = step

    def rows(self) -> Tensor:
        return self._of_step("rows")

    def more_rows(self) -> Tensor:
        return self._of_step("more")

    def shuffled(self) -> Tensor:
        return self._of_step("cells")

    def _of_step(self, use: str) -> Tensor:
        first = (self._step - self._first.value) * self._batch
        held = self._held[use].value
        return spread(ops.take(held, first + np.arange(self._batch, dtype=np.int32), axis=0))

    def _read(self, first: int, count: int) -> dict[str, np.ndarray]:
        """Rows of the steps, filled up to the window with those of the last."""
        steps = [np.int32(first + min(place, count - 1)) for place in range(self._window)]
        chosen = {use: np.concatenate([find(step) for step in steps]) for use, find in self._find.items()}
        read: dict[str, np.ndarray] = {use: self._x[chosen[use]] for use in ("rows", "more")}
        if "cells" in chosen:
            read["cells"] = self._x[chosen["cells"], np.arange(self._x.shape[1])]
        return {use: np.asarray(rows, np.float32) for use, rows in read.items()}


def make_pool(
    x: np.ndarray,
    encoder: Encoder,
    batch: int,
    seed: int,
    window: int,
    state: State,
    wanted: str | None = None,
    numbers: Callable[[int], Draws] = Draws,
) -> HeldPool | StreamedPool:
    """Holds the rows, or streams them.

    Args:
        x: encoded rows.
        encoder: that made x.
        batch: rows in a step.
        seed: of the choice of rows.
        window: steps whose rows are on the device at once, where they are streamed.
        state: that is to carry them.
        wanted: "held", "streamed", or None: memory-mapped rows are streamed. More than 31 bits can count always are.
        numbers: makes a source of random numbers from a seed.
    """
    groups = np.asarray(encoder.groups if encoder.image is None else (), np.int32)
    places = Places(len(x), batch, groups, [numbers(seed + use) for use in range(3)])
    if wanted == "streamed" or x.size >= 2**31 or (wanted is None and isinstance(x, np.memmap)):
        return StreamedPool(x, places, window, state)
    return HeldPool(x, places)
