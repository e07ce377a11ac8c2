"""A training run: the networks, the rows, and the compiled step that changes them.

`fit.py` takes all steps of one; `folds.py` goes back to its start for every set of labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ssgan.errors import ParamsError
from ssgan.learn import backend
from ssgan.learn.backend import Copies, Draws, State, Tensor, Variable, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.fakes import fakes_for
from ssgan.learn.heads import Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.lessons import Subject, Taught
from ssgan.learn.moves import moves, stirs
from ssgan.learn.networks import discriminator, initialise, start_at
from ssgan.learn.pool import HeldPool, Labelled, StreamedPool, make_pool
from ssgan.learn.step import Average, Objective, Schedule, training_steps
from ssgan.learn.taught import TaughtRows
from ssgan.learn.terms import REPORTED, Nets, terms
from ssgan.learn.training_rows import evenly

CALLS = 50  # lines in the history of a run, or up to twice as many where the steps do not divide by it
WINDOW = 64  # steps in a call of the compiled loop, at most: what streamed rows must be on the device at once
LESSON = 2  # batches of a lesson's rows in a step
BETA1 = 0.5  # of Adam, as in every published GAN: the other player moves
EXPLODED = 1e6  # a loss beyond it will not come back
INITIAL_ROWS = 500
SIDE_BY_SIDE = 50_000_000  # numbers in an encoded table, below which copies of a run fit on the device


class Run:
    """The networks, the rows, and the step that changes them."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        encoder: Encoder,
        head: Head,
        knobs: Knobs,
        taught: Taught | Callable[[], Taught] | None = None,
        numbers: Callable[[int], Draws] = Draws,
    ) -> None:
        """As `fit.fit_discriminator`; `taught` may be what waits for it, which is asked when the lesson begins.

        `numbers` makes random numbers from a seed.
        """
        self.x, self.y, self.knobs, self._taught = x, y, knobs, taught
        self.per_call = max(1, knobs.steps // CALLS)
        self.taught_from: int | None = None  # step
        if knobs.teacher_weight > 0:
            self.taught_from = self.per_call * round(knobs.teach_from * knobs.steps / self.per_call)
        with _precision(knobs.precision):
            self._build(encoder, head, numbers)

    def _build(self, encoder: Encoder, head: Head, numbers: Callable[[int], Draws]) -> None:
        x, knobs = self.x, self.knobs
        seeds = [int(each) for each in np.random.SeedSequence(knobs.seed).generate_state(5) >> 1]
        draws, self.state = numbers(seeds[0]), State()
        some = evenly(x, INITIAL_ROWS)
        student, average = (discriminator(encoder, head, knobs, draws, knobs.seed) for _ in range(2))
        initialise(student, some)
        average.set_weights(student.get_weights())
        self.nets = Nets(student, average, head)
        self._put_rows(encoder, seeds, numbers)
        wanted = knobs.gan_weight > 0 or knobs.manifold_weight > 0
        self.fakes = fakes_for(knobs.fakes, self._pool, encoder, knobs, draws, seeds[3]) if wanted else None
        theirs = [] if self.fakes is None else self.fakes.models
        for model in theirs:
            start_at(model, some)
        steps, moments = self._steps(self._objective(draws, encoder.width), draws)
        for net in (student, average, *theirs):
            self.state.adopt(net.variables)
        self.state.adopt(moments)
        self._first = self.state.values()
        step, untaught = steps
        self._loop = backend.Loop(step, len(REPORTED), self.state, (self.taught_from or 0, untaught))

    def _put_rows(self, encoder: Encoder, seeds: Sequence[int], numbers: Callable[[int], Draws]) -> None:
        """Where the rows of a step come from: all of them, the labelled ones, and a lesson's."""
        x, knobs, head, state = self.x, self.knobs, self.nets.head, self.state
        self._window = min(WINDOW, self.per_call)
        rows = knobs.batch * knobs.unlabelled
        self._pool = make_pool(x, encoder, rows, seeds[1], self._window, state, knobs.rows, numbers)
        self._labelled = Labelled(x, self.y, head, knobs.batch, numbers(seeds[2]), state)
        self._lesson = None
        if self.taught_from is not None:
            subject = Subject.of(x, encoder, knobs.seed)
            self._lesson = TaughtRows(subject, head, LESSON * knobs.batch, numbers(seeds[4]), state)

    def _objective(self, draws: Draws, width: int) -> Objective:
        """`width`: of an encoded row."""
        knobs = self.knobs
        return Objective(
            nets=self.nets,
            labelled=self._labelled,
            pool=self._pool,
            schedule=Schedule(
                steps=knobs.steps,
                learning_rate=knobs.learning_rate,
                warmup=knobs.warmup,
                cooldown=knobs.cooldown,
                ramp=knobs.ramp,
                taught_from=self.taught_from,
            ),
            terms=terms(knobs, self.fakes, draws, knobs.batch, width),
            fakes=self.fakes,
            batch=knobs.batch,
            moved=moves(knobs.shift, knobs.warp, knobs.mirror, draws),
            stirred=stirs(knobs, draws),
            lesson=self._lesson,
            asks=knobs.asks_average,
            align=knobs.align or 0.0,
        )

    def _steps(self, objective: Objective, draws: Draws) -> tuple[list[Callable[[Tensor], Tensor]], list[Variable]]:
        """The step with a lesson, and the one before it; and the optimizers' state."""
        nets, knobs = self.nets, self.knobs
        average = Average(nets.student.trainable_variables, nets.average.trainable_variables, knobs.ema, knobs.recent)
        kinds = [each.phases(knobs.update == "alternating") for each in (objective, objective.untaught())]
        drawing = (draws, self._labelled, self._pool, *([] if self._lesson is None else [self._lesson]))
        return training_steps(kinds, objective.schedule, average, drawing, BETA1)

    def begin(self, chosen: np.ndarray, taught: Taught | Callable[[], Taught] | None) -> None:
        """Goes back to the start, to learn from some of the labelled rows; nothing is compiled again.

        Args:
            chosen: bool [m], of the labelled rows in their order.
            taught: by a teacher that has seen no other labels, or what waits for it.
        """
        self._taught = taught
        self.state.restore(self._first)
        self._labelled.learn_from(chosen)

    def teach(self, taught: Taught | None) -> None:
        """Puts a lesson in place; at step `taught_from`. What the discriminator has found by then is part of it."""
        if self._lesson is None or taught is None or taught.said is None:
            raise ValueError("a lesson needs a teacher, and knobs with a teacher_weight")
        nets = self.nets
        own = (lambda rows: task_and_realness(nets.average, nets.head, rows)[0]) if self.taught_from else None
        self._lesson.learn(taught, own)

    @property
    def small(self) -> bool:
        """Whether copies of it fit on the device side by side: a table whose rows are held."""
        return isinstance(self._pool, HeldPool) and self.x.ndim == 2 and self.x.size < SIDE_BY_SIDE

    def copies(self) -> Copies:
        """Of the networks, which learn at the same time, each from the rows that it is given."""
        self.compile()
        found: Copies = backend.copies(self._loop)
        return found

    def compile(self) -> None:
        """Puts the loop together, once; the first steps would do it, but not several copies at a time."""
        for first in {0, self.taught_from or 0}:
            self._loop(first, 0)

    def advance(self, first: int, count: int) -> np.ndarray:
        """Runs steps, the lesson before its first one; returns their mean losses [len(REPORTED)]."""
        if first == self.taught_from:
            self.teach(self._taught() if callable(self._taught) else self._taught)
        total, end = np.zeros(len(REPORTED)), first + count
        for at in range(first, end, self._window):
            some = min(self._window, end - at)
            if isinstance(self._pool, StreamedPool):
                self._pool.prepare(at, some, more=at + some < self.knobs.steps)
            total += self._loop(at, some) * some
        return total / count

    def close(self) -> None:
        """Ends what reads ahead."""
        if isinstance(self._pool, StreamedPool):
            self._pool.close()


@contextmanager
def _precision(wanted: str) -> Iterator[None]:
    """Layers made within it compute in bfloat16, or not; weights, losses and sums are float32 in any case."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if wanted == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def task_and_realness(network: Any, head: Head, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encoded rows -> task [n, K] or [n, 1], realness [n, 1], without noise."""
    outputs = head.pooled(backend.predictor(network)(x)[1])
    return _numpy(head.task(outputs)), _numpy(head.realness(outputs))


def require_finite(network: Any, name: str) -> None:
    """Refuses a network that its last steps have ruined: the losses that are watched are those before a step.

    Raises:
        ParamsError: if a weight is no number.
    """
    if not all(np.isfinite(weight).all() for weight in network.get_weights()):
        raise ParamsError(
            f"the weights of {name} must stay finite; at the end of training some are not: set a smaller "
            "train.learning_rate, or smaller weights of the terms"
        )


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))
