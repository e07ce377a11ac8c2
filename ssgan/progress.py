"""Says what is going on: one live line on a terminal, plain lines elsewhere, nothing in a library call.

Rooms call `say`; who listens is decided at the front door. A stage that DVC runs in a child process prints its lines,
and the door to DVC passes each of them on to `say` here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Listener = Callable[[str], None]

_listeners: list[Listener] = []


def say(text: str) -> None:
    """Tells every listener one line of progress."""
    for listener in tuple(_listeners):
        listener(text)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Adds a listener for a while."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@dataclass
class Stopwatch:
    """Seconds per part of a run, in the order in which the parts came."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Measures one part; a part that comes twice is added up."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
