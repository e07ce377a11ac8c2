"""A lesson on the device: rows with what is to be learned of them, from a certain step on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ssgan.learn.backend import Draws, State, Tensor, constant, keras, spread
from ssgan.learn.heads import Head
from ssgan.learn.lessons import Subject, Taught
from ssgan.learn.losses import RAREST

ops = keras.ops

PLACES = 1 << 16  # of the list that steps draw from
POWER = 0.3  # of what a discriminator has found itself; see `fuse`
SHARE, MORE, FEW = 0.3, 0.2, 10  # its share where labels are many, what is added where they are few, and how few


class TaughtRows:
    """The lesson of a run on the device: nothing at first, see `learn`."""

    def __init__(self, subject: Subject, head: Head, rows: int, draws: Draws, state: State) -> None:
        """`rows`: in a step; `draws`: which of them."""
        self.subject, self._head, self._rows, self._draws = subject, head, rows, draws
        empty = head.goal(np.full((len(subject.x), max(head.classes, 1)), 1.0 / max(head.classes, 1)))
        self._x, self._goal = constant(subject.x), keras.Variable(np.zeros_like(empty), trainable=False)
        self._places = keras.Variable(np.zeros(PLACES, np.int32), trainable=False, dtype="int32")
        state.adopt([self._goal, self._places])

    def learn(self, taught: Taught, own: Callable[[np.ndarray], np.ndarray] | None) -> None:
        """Puts a lesson in place.

        Args:
            taught: what the teacher says of the subject's rows.
            own: what the discriminator has found itself, rows -> task; None: the teacher is right by itself.
        """
        assert taught.said is not None
        said = taught.said
        if own is not None:
            said = fuse(own(self.subject.x), said, taught.labelled / max(self._head.classes, 1))
        self._goal.assign(self._head.goal(said))
        self._places.assign(_places(said[: self.subject.real], len(said)))

    def start(self, step: Tensor) -> None:
        """Goes to the rows of a step."""
        self._draws.start(step)

    def rows(self) -> tuple[Tensor, Tensor]:
        """Rows [rows, F], and what is to be learned of them, as `Head.distance` takes it."""
        chosen = ops.take(self._places.value, self._draws.integers((self._rows,), PLACES))
        return spread(ops.take(self._x, chosen, axis=0)), spread(ops.take(self._goal.value, chosen, axis=0))


def fuse(task: np.ndarray, theirs: np.ndarray, per_class: float) -> np.ndarray:
    """What a discriminator has found and what a teacher says: probabilities [n, K], or values [n, 1].

    classes: s normalise(p_D^0.3) + (1 - s) p_teacher: a discriminator that has learned from hard labels is surer than
    it is right. s is 0.5 up to 10 labels per class and falls to 0.3: the fewer labels a teacher has, the less it knows,
    while the unlabelled rows stay what they are. Picked among nine pairs on thyroid, obesity, pima, heart and
    ctg; between .3 and .5 with few labels, which were level there, by heart and adult too (docs/objective.md).

    Args:
        task: of the discriminator.
        theirs: the teacher's answers.
        per_class: labelled rows per class.
    """
    if theirs.shape[1] == 1:
        return np.asarray((task.astype(np.float64) + theirs) / 2)
    powered = np.exp(POWER * (task.astype(np.float64) - task.max(axis=1, keepdims=True)))
    share = SHARE + MORE * min(1.0, (FEW / per_class) ** 2)
    return np.asarray(share * powered / powered.sum(axis=1, keepdims=True) + (1 - share) * theirs)


def _places(said: np.ndarray, count: int) -> np.ndarray:
    """Numbers of rows, int32 [PLACES]: half are training rows, each class having the same say; half the mixed ones.

    As in `losses.share_weights`, a class that hardly any row is taken for must not rest on one row.
    """
    real, half = len(said), PLACES // 2
    weights = np.ones(real)
    if said.shape[1] > 1:
        weights = (said / np.maximum(said.mean(axis=0), RAREST / said.shape[1])).sum(axis=1)
    ends = np.cumsum(weights / weights.sum())
    chosen = np.minimum(np.searchsorted(ends, (np.arange(half) + 0.5) / half), real - 1)
    others = real + np.arange(PLACES - half) % (count - real)
    return np.concatenate([chosen, others]).astype(np.int32)
