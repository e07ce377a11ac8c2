"""What a teacher of some of the labels says, and of which rows; fitted beside the training.

A small table has few rows to say something about, and a student that knows the teacher's answer on these alone does
not know it between them. So half of a lesson is about rows that are put together from real ones (as in model
compression: Bucila et al. 2006), which any teacher can answer. The other half is about training rows, rare classes as
often as frequent ones: else the student would take the teacher's word on the majority alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ssgan.learn.encode import Encoder
from ssgan.learn.fits import Labels
from ssgan.learn.plain import quietly
from ssgan.learn.prepare import is_labelled
from ssgan.learn.teacher import Teacher, teachers

ROWS, NUMBERS = 20_000, 20_000_000  # training rows that a lesson is about, and numbers in them, at most
MIXED = 4000  # rows that are put together
MANY = 500  # labelled rows
SWAPPED = 0.3  # chance of each of their columns to come from another row


@dataclass(frozen=True)
class Subject:
    """The rows that a lesson is about."""

    x: np.ndarray  # float32 [m, F]
    real: int  # the first rows, which are training rows; the others are mixed

    @classmethod
    def of(cls, x: np.ndarray, encoder: Encoder, seed: int) -> Subject:
        """Chooses them from encoded training rows [n, F]; equal seeds choose equal rows."""
        source = np.random.default_rng(seed)
        most = max(1, min(ROWS, NUMBERS // x.shape[1]))
        chosen = np.arange(len(x)) if len(x) <= most else np.sort(source.permutation(len(x))[:most])
        real = np.asarray(x[chosen], np.float32)
        return cls(np.concatenate([real, mixed(real, encoder, min(MIXED, most), source)]), len(real))


def mixed(x: np.ndarray, encoder: Encoder, rows: int, source: np.random.Generator) -> np.ndarray:
    """Rows [rows, F], each of x but for some columns, which come each from another row with all their features."""
    columns, groups = len(encoder.parts), np.asarray(encoder.groups)
    own, other = source.integers(len(x), size=(rows, 1)), source.integers(len(x), size=(rows, columns))
    cells = np.where(source.random((rows, columns)) < SWAPPED, other, own)[:, groups]
    return np.asarray(x[cells, np.arange(x.shape[1])], np.float32)


@dataclass(frozen=True)
class Taught:
    """A teacher, and what it says of a lesson's rows: float64 [m, K] or [m, 1], None where nobody learns it."""

    teacher: Teacher
    labelled: int  # rows that it has seen
    said: np.ndarray | None


class Task(Protocol):
    """What of a head a teacher needs."""

    @property
    def classes(self) -> int: ...
    def targets(self, labels: np.ndarray) -> np.ndarray: ...


class Asks(Protocol):
    """The knobs that say whether there is a teacher, and who listens."""

    @property
    def seed(self) -> int: ...
    @property
    def teacher_weight(self) -> float: ...
    @property
    def answer(self) -> str: ...


def taught_by(
    x: np.ndarray, y: np.ndarray, encoder: Encoder, head: Task, knobs: Asks, groups: np.ndarray | None = None
) -> Taught | None:
    """A teacher of the labelled rows, and what it says where a discriminator learns that; None where nobody asks one.

    Args:
        x: encoded training rows.
        y: labels.
        encoder: that made x.
        head: of the task; a value's teacher is one of the standardised value.
        knobs: resolved.
        groups: [n], see `teacher.teach`; those of unlabelled rows are not looked at.
    """
    if not is_asked(knobs):
        return None
    subject = Subject.of(x, encoder, knobs.seed).x if knobs.teacher_weight else None
    labels = _labels(x, y, head, knobs.seed, groups)
    ((teacher, said),) = teachers(labels, [np.ones(len(labels.rows), bool)], subject)
    return Taught(teacher, len(labels.rows), said)


def is_asked(knobs: Asks) -> bool:
    """Whether there is a teacher: the discriminator learns from it, or a committee has it."""
    return knobs.teacher_weight > 0 or knobs.answer == "committee"


class Lessons:
    """A lesson for each set of labels, known by the set: models that learn from the same labels share it."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        encoder: Encoder,
        head: Task,
        knobs: Asks,
        wanted: Iterable[np.ndarray],
        groups: np.ndarray | None = None,
    ) -> None:
        """Begins at once, in threads of its own, where there are several sets; else when it is asked.

        Args:
            x: encoded rows, float32 [n, ...].
            y: their labels.
            encoder: that made x.
            head: of the task.
            knobs: resolved; nothing is begun where nobody asks a teacher.
            wanted: sets of labels, in the order in which they will be asked for; bool [m] each, of the labelled rows.
            groups: [n], see `taught_by`.
        """
        sets = {learned.tobytes(): learned for learned in wanted} if is_asked(knobs) else {}
        self._waiting = list(sets)
        self._known: dict[bytes, Taught] = {}
        self._coming: Iterator[Any] = iter(())
        self._open = ExitStack()
        self._pool: Executor | None = None
        if sets:
            subject = Subject.of(x, encoder, knobs.seed).x if knobs.teacher_weight else None
            labels = _labels(x, y, head, knobs.seed, groups)
            if len(sets) > 1:
                # Few rows are learned in Python for the most part, where a second thread would only be in the way.
                cores = len(os.sched_getaffinity(0)) if len(labels.rows) > MANY else 1
                self._open.enter_context(quietly())
                self._pool = ThreadPoolExecutor(cores, "teacher")
            self._coming = teachers(labels, list(sets.values()), subject, self._pool)

    def close(self) -> None:
        """Ends what has begun; nothing can be asked any more."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._open.close()

    def of(self, learned: np.ndarray) -> Taught:
        """By a teacher that has seen these labels; waits for it."""
        key = learned.tobytes()
        while key not in self._known:
            (teacher, said), coming = next(self._coming), self._waiting.pop(0)
            self._known[coming] = Taught(teacher, int(np.frombuffer(coming, bool).sum()), said)
        return self._known[key]


def _labels(x: np.ndarray, y: np.ndarray, head: Task, seed: int, groups: np.ndarray | None) -> Labels:
    """The labelled rows, as teachers take them."""
    known = is_labelled(y)
    of_known = None if groups is None else groups[known]
    return Labels.of(np.asarray(x[known]), head.targets(y[known]), head.classes, seed, of_known)
