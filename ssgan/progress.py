"""Says what is going on. Who listens is decided at the front door; a library call has no listener and stays silent.

Rooms call `say`; the flows put `step` around each stage. A stage that DVC runs in a child process prints its lines, and
the door to DVC passes each of them on to `say` here. An estimator, which has no front door, warns its caller by
`caution`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ssgan.errors import SSGANWarning

_PACKAGE = f"{Path(__file__).parent}{os.sep}"


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


def caution(text: str) -> None:
    """Warns whoever called the package, at the line of theirs that did."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, SSGANWarning, stacklevel=level)


@dataclass
class Cautions:
    """What a fit warns of: each at once, and all together in the end."""

    told: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Warns, and keeps the text."""
        self.told.append(text)
        caution(text)

    def add_all(self, texts: Iterable[str]) -> None:
        """Each of them."""
        for text in texts:
            self.add(text)


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
