"""Whether a batch has arrived whole: one that is still being copied looks like a batch that is shorter.

No format but Parquet and idx says how long it is, so what counts is that nothing changes: not the size nor the time of
any file that belongs to the batch, and no file more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ssgan.intake.formats import files_of
from ssgan.progress import say

QUIET = 5.0  # seconds between two looks; network file systems show a change after up to three
PATIENCE = 300.0  # seconds, for all that waits

Sight = tuple[tuple[str, int, int], ...]  # of each file: name, bytes, time of its last change in nanoseconds


def sight_of(path: Path) -> Sight:
    """What is seen of a batch from outside, whether it is one file, a pair or a folder."""
    try:
        seen = [(str(each), each.stat()) for each in files_of(path)]
    except OSError:  # a file is gone, or not there yet, or may not be looked at: reading it will say so
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in seen)


def at_rest(paths: Sequence[Path], pause: Callable[[float], None] = time.sleep) -> list[Path]:
    """The batches that nobody is writing any more; the others are waited for, and left out if that takes too long.

    Args:
        paths: of the batches.
        pause: what passes the time between two looks.
    """
    before, moving, waited = {path: sight_of(path) for path in paths}, list(paths), 0.0
    while moving and waited < PATIENCE:
        pause(QUIET)
        waited += QUIET
        now = {path: sight_of(path) for path in paths}
        moving = [path for path in paths if now[path] != before[path]]
        before = now
    for path in moving:
        say(f"{path.name} is still being written; it is left for the next time")
    return [path for path in paths if path not in moving]
