"""The processes in which scheduled runs are under way end with the schedule, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable

_GRACE = 20.0  # seconds for a flow to end its tools and to tell the server, which may have ended too


def end_with_parent(last_words: Callable[[], object], grace: float = _GRACE) -> None:
    """Lets this process end when the one that has started it has; does nothing where nobody has.

    Prefect has multiprocessing start the process of a scheduled run. The kernel closes the schedule's end of a pipe
    when that is killed, and the other end is here.

    Args:
        last_words: Called where the process has not ended by itself within the grace.
        grace: Seconds.
    """
    if is_a_process_of_its_own():
        threading.Thread(target=_follow, args=(last_words, grace), daemon=True).start()


def is_a_process_of_its_own() -> bool:
    """Whether this is a process that Prefect has started for one run."""
    return multiprocessing.parent_process() is not None


def _follow(last_words: Callable[[], object], grace: float) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)  # which Prefect notes as the end of the run
        time.sleep(grace)
        try:
            last_words()
        finally:
            os.kill(os.getpid(), signal.SIGKILL)


def end_children() -> None:
    """Ends the runs under way: politely first, then surely. Prefect leaves them alone when it gets SIGTERM, and Python
    would wait for them when it exits."""
    children = multiprocessing.active_children()
    for child in children:
        child.terminate()
    for child in children:
        child.join(_GRACE)
        child.kill()
        child.join()
