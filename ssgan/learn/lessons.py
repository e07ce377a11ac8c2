"""What teachers say of all rows, each having seen some of the labels: fitted on all cores, beside the training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import numpy as np

from ssgan.learn import teacher
from ssgan.learn.heads import Head
from ssgan.learn.plan import hidden
from ssgan.learn.prepare import is_labelled


class Lessons:
    """A lesson for each set of labels, known by the set: models that learn from the same labels share it."""

    def __init__(self, x: np.ndarray, y: np.ndarray, head: Head, seed: int, wanted: Iterable[np.ndarray]) -> None:
        """Begins at once, in processes of its own.

        Args:
            x: encoded rows, float32 [n, ...].
            y: their labels.
            head: of the task.
            seed: equal seeds give equal bits.
            wanted: sets of labels, in the order in which they will be asked for; bool [m] each, of the labelled rows.
        """
        sets = {learned.tobytes(): learned for learned in wanted}
        self._head, self._waiting = head, list(sets)
        self._known: dict[bytes, np.ndarray] = {}
        seen = [hidden(y, learned) for learned in sets.values()]
        self._coming = _taught([(x, each, is_labelled(each), head.classes, seed) for each in seen])

    def of(self, learned: np.ndarray) -> np.ndarray:
        """The lesson of a teacher that has seen these labels, as the head's `distance` takes it; waits for it."""
        key = learned.tobytes()
        while key not in self._known:
            self._known[self._waiting.pop(0)] = self._head.goal(next(self._coming))
        return self._known[key]


def _taught(jobs: list[tuple[np.ndarray, np.ndarray, np.ndarray, int, int]]) -> Iterator[np.ndarray]:
    from joblib import Parallel, delayed  # type: ignore[import-untyped]  # a dependency of scikit-learn

    if not jobs:
        return iter(())
    cores = min(len(os.sched_getaffinity(0)), len(jobs))
    found: Iterator[np.ndarray] = Parallel(n_jobs=cores, return_as="generator")(
        delayed(teacher.lessons)(*job) for job in jobs
    )
    return found
