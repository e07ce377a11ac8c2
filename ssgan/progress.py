"""Says what is going on. Who listens is decided at the front door; a library call has no listener and stays silent.

Rooms call `say`; the flows put `step` around each stage. A stage that DVC runs in a child process prints its lines, and
the door to DVC passes each of them on to `say` here.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Event:
    """Something worth telling a person who waits."""

    kind: Literal["begin", "note", "end", "failed"]
    text: str  # of the note, or the result of the step
    step: str = ""
    seconds: float = 0.0  # since the step began


@dataclass
class Step:
    """A step under way; its result is what the display shows when it ends."""

    name: str
    result: str = ""


Listener = Callable[[Event], None]

_listeners: list[Listener] = []


def say(text: str) -> None:
    """Tells one line of progress."""
    _tell(Event("note", text))


@contextlib.contextmanager
def step(name: str) -> Iterator[Step]:
    """Marks a step of the work, with its time; set `.result` on what is yielded to say in a few words what came out."""
    start = time.perf_counter()
    current = Step(name)
    _tell(Event("begin", "", name))
    try:
        yield current
    except BaseException as error:
        _tell(Event("failed", str(error), name, time.perf_counter() - start))
        raise
    _tell(Event("end", current.result, name, time.perf_counter() - start))


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Adds a listener for a while."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _tell(event: Event) -> None:
    for listener in tuple(_listeners):
        listener(event)
