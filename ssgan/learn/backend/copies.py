"""Copies of a run's state that go through the same steps at the same time."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

Watch = Callable[[int, np.ndarray], None]  # steps done, mean report [reported] of the last call; may raise


class Loop(Protocol):
    """A compiled loop that runs on any copy of its state."""

    def held(self) -> list[Any]: ...
    def hold(self, held: list[Any]) -> None: ...
    def run(self, held: list[Any], first: int, count: int) -> tuple[list[Any], np.ndarray]: ...


class Copies:
    """Each copy on one core, by the loop that a single run has, which must be compiled: not again, and the same bits.

    They differ in what was put into them, such as the labelled rows they may see, and share every random number.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._held: list[list[Any]] = []

    def put(self, place: int | None = None) -> None:
        """A copy of what the variables hold now: one more, or in place of one."""
        if place is None:
            self._held.append(self._loop.held())
        else:
            self._held[place] = self._loop.held()

    def take(self, place: int) -> None:
        """Gives the variables what one of the copies holds."""
        self._loop.hold(self._held[place])

    def learn(self, first: int, end: int, at_once: int, watch: Watch) -> None:
        """Runs steps first .. end - 1 on all copies, `at_once` in a call; a core takes the copy that waited longest."""
        waiting = deque((place, first) for place in range(len(self._held)))
        over = threading.Event()

        def work() -> None:
            while waiting and not over.is_set():
                try:
                    place, done = waiting.popleft()
                except IndexError:  # another core was quicker
                    return
                count = min(at_once, end - done)
                if count:
                    self._advance(place, done, count, watch)
                    waiting.append((place, done + count))

        cores = min(len(os.sched_getaffinity(0)), len(self._held))
        with ThreadPoolExecutor(cores, "copy") as threads:
            try:
                for each in [threads.submit(work) for _ in range(cores)]:
                    each.result()
            finally:
                over.set()  # after an error or an interruption no thread begins another call

    def _advance(self, place: int, first: int, count: int, watch: Watch) -> None:
        self._held[place], report = self._loop.run(self._held[place], first, count)
        watch(first + count, report)
