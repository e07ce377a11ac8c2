"""Copies of a run's state that go through the same steps at the same time."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

Watch = Callable[[int, np.ndarray], None]  # steps done, mean report [reported] of the last call; may raise


class Loop(Protocol):
    """A compiled loop that runs on any copy of its state."""

    def held(self) -> list[Any]: ...
    def hold(self, held: list[Any]) -> None: ...
    def run(self, held: list[Any], first: int, count: int) -> tuple[list[Any], np.ndarray]: ...
    def stacked(self, copies: Sequence[list[Any]]) -> list[Any]: ...
    def apart(self, held: list[Any], copies: int) -> list[list[Any]]: ...
    def run_all(self, held: list[Any], copies: int, first: int, count: int) -> tuple[list[Any], np.ndarray]: ...


class Copies:
    """Each copy on one core, by the same compiled loop that a single run has: nothing is compiled again, same bits.

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

        def advance(place: int, done: int, count: int) -> None:
            self._held[place], report = self._loop.run(self._held[place], done, count)
            watch(done + count, report)

        _in_turn(len(self._held), advance, first, end, at_once)


class Stacked(Copies):
    """Copies as one more axis of every array: several small networks keep a device as busy as one large one.

    Sums are taken in another order than in a single run: the last bits differ. They do not depend on the cores.
    """

    def __init__(self, loop: Loop, together: int | None = None) -> None:
        """`together`: copies in a stack, of which each core takes one; None: all of them, for a card."""
        super().__init__(loop)
        self._together = together

    def learn(self, first: int, end: int, at_once: int, watch: Watch) -> None:
        """Runs steps first .. end - 1 on all copies, `at_once` in a call."""
        size = min(self._together or len(self._held), len(self._held))
        stacks = [self._held[at : at + size] for at in range(0, len(self._held), size)]
        counts = [len(each) for each in stacks]
        # The last stack is filled up, so that one graph is enough for all.
        held = [self._loop.stacked([*each, *each[-1:] * (size - len(each))]) for each in stacks]

        def advance(place: int, done: int, count: int) -> None:
            held[place], reports = self._loop.run_all(held[place], size, done, count)
            for each in reports[: counts[place]]:
                watch(done + count, each)

        _in_turn(len(held), advance, first, end, at_once)
        apart = [self._loop.apart(stack, size)[:count] for stack, count in zip(held, counts, strict=True)]
        self._held = [each for stack in apart for each in stack]


def _in_turn(places: int, advance: Callable[[int, int, int], None], first: int, end: int, at_once: int) -> None:
    """Takes every place through steps first .. end - 1, `at_once` in a call; a core takes the one that waited longest.

    Args:
        places: how many there are.
        advance: of a place, from a step on, by a number of steps; may raise.
        first, end, at_once: of the steps.
    """
    if first == end:
        return
    done = min(at_once, end - first)
    advance(0, first, done)  # compiles, which is done once
    waiting = deque([*((place, first) for place in range(1, places)), (0, first + done)])
    over = threading.Event()

    def work() -> None:
        while waiting and not over.is_set():
            try:
                place, done = waiting.popleft()
            except IndexError:  # another core was quicker
                return
            count = min(at_once, end - done)
            if count:
                advance(place, done, count)
                waiting.append((place, done + count))

    cores = min(len(os.sched_getaffinity(0)), places)
    with ThreadPoolExecutor(cores, "copy") as threads:
        try:
            for each in [threads.submit(work) for _ in range(cores)]:
                each.result()
        finally:
            over.set()  # after an error or an interruption no thread begins another call
