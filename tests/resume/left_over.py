"""What a process that was killed has left running."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def at_work(root: Path) -> list[str]:
    """Command lines of the processes whose working directory lies in a project."""
    return [words for words, where in _processes() if where.is_relative_to(root)]


def about(root: Path) -> list[str]:
    """The same, and of those whose command line names it."""
    return [words for words, where in _processes() if where.is_relative_to(root) or str(root) in words]


def settled(root: Path, found: Callable[[Path], list[str]] = at_work) -> list[str]:
    """Waits until nobody is at work in the project; who still is when that takes long.

    The kernel tells a tool's guard of the death of its process, and the guard ends the tool: at once, but on a busy
    machine it must be its turn first. What is cut short by a power failure has no writer left.
    """
    deadline = time.monotonic() + 30
    while (left := found(root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def _processes() -> list[tuple[str, Path]]:
    """Command line and working directory of every process that runs, but for this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and entry.name != str(os.getpid()):
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append((words, (entry / "cwd").resolve()))
        except OSError:
            continue
    return found
