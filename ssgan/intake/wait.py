"""Waits for the project's lock where that is better than to give up: for what is short, such as another intake."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from ssgan.errors import BusyError
from ssgan.progress import say
from ssgan.project import Project, locked, writing

PATIENCE = 60.0  # seconds
_PAUSE = 0.5


@contextlib.contextmanager
def locked_patiently(project: Project, patience: float = PATIENCE) -> Iterator[None]:
    """Holds the project's lock, and waits for it first if another process has it.

    Raises:
        BusyError: if that process does not let go in time.
        UserError: if the disk is full or the project may not be written, then or later on.
    """
    deadline = time.monotonic() + patience
    with writing(project), contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(project))
                break
            except BusyError as error:
                if time.monotonic() > deadline:
                    raise
                say(f"{error.args[0].partition(';')[0]}; waiting for it")
                time.sleep(_PAUSE)
        yield
