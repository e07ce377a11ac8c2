"""The line of progress: steps per second, losses, time left."""

from __future__ import annotations

import time

import numpy as np

from ssgan.learn.terms import REPORTED


class Pace:
    """Steps per second, the compilation left out."""

    def __init__(self, first: int, steps: int) -> None:
        self._first, self._steps = first, steps
        self._start = self._said = time.perf_counter()
        self._compiled: tuple[int, float] | None = None

    def worth_telling(self, done: int) -> bool:
        """Once a second, and at the end; not after the first call, which compiles."""
        now = time.perf_counter()
        if self._compiled is None:
            self._compiled = done, now
            return False
        if now - self._said < 1 and done < self._steps:
            return False
        self._said = now
        return True

    def value(self, done: int) -> float:
        """Steps per second so far."""
        if self._compiled is None or done == self._compiled[0]:
            return (done - self._first) / max(time.perf_counter() - self._start, 1e-9)
        return (done - self._compiled[0]) / max(time.perf_counter() - self._compiled[1], 1e-9)

    def text(self, done: int) -> str:
        """Where the run is, and when it will be over."""
        pace = self.value(done)
        left = (self._steps - done) / max(pace, 1e-9)
        rest = f", {left:.0f} s left" if done < self._steps else ""
        return f"step {done}/{self._steps}, {pace:.0f} steps/s{rest}"


def losses_text(losses: np.ndarray) -> str:
    """Those that are not 0, by name."""
    named = zip(REPORTED, losses, strict=True)
    return ", ".join(f"{term.replace('_', '/')} {loss:.3f}" for term, loss in named if loss)
