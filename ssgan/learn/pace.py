"""The line of progress: steps per second, losses, a score, time left."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ssgan.learn import backend
from ssgan.learn.backend import keras
from ssgan.learn.heads import Head
from ssgan.learn.prepare import is_labelled
from ssgan.learn.terms import REPORTED
from ssgan.learn.training_rows import evenly

Validation = tuple[np.ndarray, np.ndarray]  # encoded rows [m, ...], labels [m]

LEARNED_ROWS = 300  # labelled rows whose score is told while they are learned from, at most


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
        return f"step {done}/{self._steps}, {pace:.{0 if pace >= 10 else 1}f} steps/s{rest}"


class Score:
    """How well a network answers labelled rows. It is told, and chooses nothing.

    Rows that are learned from say only whether the labels are fitted yet; the line names them as such. What the model
    is worth is said by rows that it has not seen: those of `validation`, or, in the stage, of the folds.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, head: Head, validation: Validation | None) -> None:
        """On the validation rows if there are any, else on some of the labelled training rows.

        Args:
            x, y: of the training rows.
            head: of the task.
            validation: rows that are not learned from.
        """
        self.seen, self._head = validation is None, head
        x, y = validation or (x, y)
        places = np.flatnonzero(is_labelled(y))
        if self.seen:
            places = evenly(places, LEARNED_ROWS)
        self._x, self._y = np.asarray(x[places]), y[places]
        self._told, self._told_at = "", -1

    def of(self, network: Any) -> float:
        """As `scored`, without training noise."""
        outputs = self._head.pooled(backend.predictor(network)(self._x)[1])
        return scored(np.asarray(keras.ops.convert_to_numpy(self._head.task(outputs))), self._y, self._head)

    def text(self, network: Any, share: float, found: float | None = None) -> str:
        """For the line, when a share of the run is done; asked anew at each tenth, unless it was `found` already."""
        at = int(10 * share)
        if found is not None or at > self._told_at:
            score = score_text(self.of(network) if found is None else found, self._head)
            self._told, self._told_at = f"{'labels learned to' if self.seen else 'validation'} {score}", at
        return self._told


def scored(task: np.ndarray, labels: np.ndarray, head: Head) -> float:
    """Balanced accuracy over the classes that occur, or the root mean squared error in the label's unit.

    Args:
        task: class logits [m, K], or standardised values [m, 1].
        labels: [m].
        head: of the task.
    """
    from sklearn.metrics import recall_score, root_mean_squared_error

    if head.classes:
        return float(recall_score(labels, task.argmax(axis=1), labels=np.unique(labels), average="macro"))
    return float(head.metadata["value_scale"]) * float(root_mean_squared_error(head.targets(labels), task[:, 0]))


def score_text(found: float, head: Head) -> str:
    """With the score's name."""
    return f"{'balanced accuracy' if head.classes else 'RMSE'} {found:.3g}"


def losses_text(losses: np.ndarray) -> str:
    """Those that are not 0, by name."""
    named = zip(REPORTED, losses, strict=True)
    return ", ".join(f"{term.replace('_', '/')} {loss:.3f}" for term, loss in named if loss)
