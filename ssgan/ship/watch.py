"""Files that a running service follows: which model is in service, which one is tried beside it, who has a key."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

SECONDS = 0.25  # between two looks

_log = logging.getLogger("ssgan.service")

Signature = tuple[int, int, int] | None


class Watch:
    """Calls an action, in a thread of its own, whenever its file has been replaced, changed, made or removed."""

    def __init__(self, actions: Mapping[Path, Callable[[], None]]) -> None:
        self._actions = dict(actions)
        self._seen = {path: _signature(path) for path in actions}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begins with every action once: a file may have changed between its first reading and now."""
        for path in self._actions:
            self._act(path)
        self._thread.start()

    def stop(self) -> None:
        """Ends, after the action under way."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """One look at every file."""
        for path in self._actions:
            now = _signature(path)
            if now != self._seen[path]:
                self._seen[path] = now
                self._act(path)

    def _act(self, path: Path) -> None:
        try:
            self._actions[path]()
        except Exception:  # whatever one file holds, the next look must come
            _log.exception("could not follow %s", path.name)

    def _run(self) -> None:
        while not self._end.wait(SECONDS):
            self.look()


def _signature(path: Path) -> Signature:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None
