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

    def __init__(
        self, actions: Mapping[Path, Callable[[], None]], at_each_look: Callable[[], None] | None = None
    ) -> None:
        """Looks at nothing yet.

        Args:
            actions: by the file that each follows.
            at_each_look: for what no one file tells; called four times a second, so it must be quick.
        """
        self._actions, self._at_each_look = dict(actions), at_each_look
        self._seen = {path: _signature(path) for path in actions}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Begins with every action once: a file may have changed between its first reading and now."""
        for path in self._actions:
            self._act(self._actions[path], path.name)
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
                self._act(self._actions[path], path.name)
        if self._at_each_look is not None:
            self._act(self._at_each_look, "the store")

    def _act(self, action: Callable[[], None], what: str) -> None:
        try:
            action()
        except Exception:  # whatever one file holds, the next look must come
            _log.exception("could not follow %s", what)

    def _run(self) -> None:
        while not self._end.wait(SECONDS):
            self.look()


def _signature(path: Path) -> Signature:
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None
