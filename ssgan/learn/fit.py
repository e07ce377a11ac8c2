"""The one entry to training: encoded rows in, a discriminator with averaged weights out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssgan.errors import ParamsError
from ssgan.learn import backend, health
from ssgan.learn.backend import Copies, Draws, State, keras
from ssgan.learn.checkpoint import Checkpoints, Saved
from ssgan.learn.committee import Committee
from ssgan.learn.encode import Encoder
from ssgan.learn.fakes import Fakes, fakes_for
from ssgan.learn.heads import Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.lessons import Subject, Taught, taught_by
from ssgan.learn.moves import moves, stirs
from ssgan.learn.networks import discriminator, initialise, start_at
from ssgan.learn.pace import Pace, Score, Validation, losses_text
from ssgan.learn.pool import HeldPool, Labelled, StreamedPool, make_pool
from ssgan.learn.step import Average, Objective, Schedule, training_steps
from ssgan.learn.taught import TaughtRows
from ssgan.learn.terms import REPORTED, Nets, terms
from ssgan.progress import say

CALLS = 50  # lines in the history of a run, or up to twice as many where the steps do not divide by it
WINDOW = 64  # steps in a call of the compiled loop, at most: what streamed rows must be on the device at once
EXPLODED = 1e6  # a loss beyond it will not come back
LESSON = 2  # batches of a lesson's rows in a step
BETA1 = 0.5  # of Adam, as in every published GAN: the other player moves
INITIAL_ROWS = 500
SMALL = 50_000_000  # numbers in an encoded table


@dataclass(frozen=True)
class Fitted:
    """A trained discriminator: the average over the steps."""

    discriminator: Any  # Keras model x -> [features, outputs]
    head: Head
    history: np.ndarray  # [calls, 1 + len(REPORTED)]: last step of the call, mean losses over it
    steps_per_second: float
    fakes: Fakes | None  # None where there was no real/fake term
    warnings: tuple[str, ...]

    def outputs(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encoded rows -> task [n, K] or [n, 1], realness [n, 1]."""
        return answers(self.discriminator, self.head, x)

    def disagreement(self, x: np.ndarray) -> np.ndarray:
        """Encoded rows -> how far the members are apart, [n]; 0 for one network."""
        return _numpy(self.head.disagreement(backend.predictor(self.discriminator)(x)[1]))


def fit_discriminator(
    x: np.ndarray,
    y: np.ndarray,
    encoder: Encoder,
    head: Head,
    knobs: Knobs,
    name: str,
    *,
    checkpoints: Checkpoints | None = None,
    callbacks: Iterable[Any] = (),
    taught: Taught | None = None,
    validation: Validation | None = None,
) -> Fitted:
    """Trains a discriminator; without any term on unlabelled rows it is the supervised twin.

    Args:
        x: encoded training rows, labelled or not, float32 [n, F] or [n, height, width, channels]; a memory-mapped array
            is streamed.
        y: int64 [n] with -1 unlabelled, or float64 [n] with NaN unlabelled.
        encoder: that made x.
        head: of the task.
        knobs: resolved.
        name: for the lines of progress.
        checkpoints: where the state is kept, and where it is taken up again.
        callbacks: Keras callbacks; an epoch is about a fiftieth of the steps, its logs are the losses and, with
            `validation`, its score, and `params` has the steps in an epoch and in total.
        taught: what `lessons.taught_by` gives; None: it is asked for here.
        validation: encoded rows and labels that tell a score as training goes on; they are not learned from.

    Raises:
        ParamsError: if a loss stops being a number, or explodes.
    """
    taught = taught or taught_by(x, y, encoder, head, knobs)
    with closing(Run(x, y, encoder, head, knobs, taught)) as run:
        return finish(run, name, checkpoints, callbacks, validation)


def finish(
    run: Run,
    name: str,
    checkpoints: Checkpoints | None = None,
    callbacks: Iterable[Any] = (),
    validation: Validation | None = None,
) -> Fitted:
    """Takes all steps of a run that stands at its start; the rest as for `fit_discriminator`."""
    score = Score(run.x, run.y, run.nets.head, validation)
    history, pace = _follow(run, name, checkpoints, _callback_list(callbacks, run), score)
    average, head = run.nets.average, run.nets.head
    warnings = health.warnings(average, head, run.x, run.fakes, run.knobs.seed) if run.fakes is not None else ()
    for warning in warnings:
        say(f"train: {name}: {warning}")
    return Fitted(average, head, history, pace, run.fakes, warnings)


def committee_of(taught: Taught | None, knobs: Knobs) -> Committee | None:
    """What joins the discriminator; None where it answers alone."""
    return Committee(taught.teacher) if taught is not None and knobs.answer == "committee" else None


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
        """As `fit_discriminator`; `taught` may be what waits for it, which is asked when the lesson begins.

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
        x, y, knobs = self.x, self.y, self.knobs
        seeds = [int(each) for each in np.random.SeedSequence(knobs.seed).generate_state(5) >> 1]
        draws, state = numbers(seeds[0]), State()
        nets = [discriminator(encoder, head, knobs, draws, knobs.seed) for _ in range(2)]
        some = np.asarray(x[np.linspace(0, len(x) - 1, min(INITIAL_ROWS, len(x))).astype(np.int64)])
        initialise(nets[0], some)
        nets[1].set_weights(nets[0].get_weights())
        self.nets, self.state = Nets(nets[0], nets[1], head), state
        self._window = min(WINDOW, self.per_call)
        pool = make_pool(x, encoder, knobs.batch * knobs.unlabelled, seeds[1], self._window, state, knobs.rows, numbers)
        self._pool, self._size = pool, x.size if x.ndim == 2 else SMALL
        labelled = Labelled(x, y, head, knobs.batch, numbers(seeds[2]), state)
        self._labelled = labelled
        wanted = knobs.gan_weight > 0 or knobs.manifold_weight > 0
        self.fakes = fakes_for(knobs.fakes, pool, encoder, knobs, draws, seeds[3]) if wanted else None
        for model in self.fakes.models if self.fakes is not None else []:
            start_at(model, some)
        self._lesson = None
        if self.taught_from is not None:
            subject, rows = Subject.of(x, encoder, knobs.seed), LESSON * knobs.batch
            self._lesson = TaughtRows(subject, head, rows, numbers(seeds[4]), state)
        rate = knobs.learning_rate, knobs.warmup, knobs.cooldown
        schedule = Schedule(knobs.steps, *rate, knobs.ramp, self.taught_from)
        chosen = terms(knobs, self.fakes, draws, knobs.batch, encoder.width)
        moved, more = moves(knobs.shift, knobs.warp, knobs.mirror, draws), stirs(knobs, draws)
        parts = self.nets, labelled, pool, schedule, chosen, self.fakes, knobs.batch, moved, more
        objective = Objective(*parts, self._lesson)
        average = Average(nets[0].trainable_variables, nets[1].trainable_variables, knobs.ema, knobs.recent)
        kinds = [each.phases(knobs.update == "alternating") for each in (objective, objective.untaught())]
        drawing = (draws, labelled, pool, *([self._lesson] if self._lesson is not None else []))
        (step, untaught), moments = training_steps(kinds, schedule, average, drawing, BETA1)
        for net in (*nets, *(self.fakes.models if self.fakes is not None else ())):
            state.adopt(net.variables)
        state.adopt(moments)
        self._first = state.values()
        self._loop = backend.Loop(step, len(REPORTED), state, (self.taught_from or 0, untaught))

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
        own = (lambda rows: answers(nets.average, nets.head, rows)[0]) if self.taught_from else None
        self._lesson.learn(taught, own)

    @property
    def small(self) -> bool:
        """Whether copies of it fit on the device side by side: a table whose rows are held."""
        return isinstance(self._pool, HeldPool) and self._size < SMALL

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


def _follow(
    run: Run, name: str, checkpoints: Checkpoints | None, callbacks: Any, score: Score
) -> tuple[np.ndarray, float]:
    """Runs the loop in equal calls (never by the clock: the history must not depend on the machine's mood)."""
    knobs, saved = run.knobs, checkpoints.latest() if checkpoints is not None else None
    lines: list[list[float]] = [] if saved is None else saved.history.tolist()
    done = 0
    if saved is not None:
        run.state.restore(saved.values)
        done = saved.step
        say(f"train: {name} goes on from step {done}/{knobs.steps}")
    pace = Pace(done, knobs.steps)
    callbacks.on_train_begin()
    while done < knobs.steps and not run.nets.student.stop_training:
        count = min(run.per_call, knobs.steps - done)
        callbacks.on_epoch_begin(len(lines))
        losses = run.advance(done, count)
        if not (np.abs(losses) < EXPLODED).all():
            raise ParamsError(_diverged(name, losses, done, knobs.steps, checkpoints))
        done += count
        lines.append([done, *losses.tolist()])
        logs = dict(zip(REPORTED, losses.tolist(), strict=True))
        found = None if score.seen else score.of(run.nets.average)
        callbacks.on_epoch_end(len(lines) - 1, logs if found is None else {**logs, "validation": found})
        if checkpoints is not None and done < knobs.steps:
            checkpoints.save(Saved(done, run.state.values(), np.asarray(lines)))
        if pace.worth_telling(done):
            told = score.text(run.nets.average, done / knobs.steps, found)
            say(f"train: {name} {pace.text(done)}, {losses_text(losses)}, {told}")
    callbacks.on_train_end()
    return np.asarray(lines), pace.value(done)


def _diverged(name: str, losses: np.ndarray, done: int, steps: int, checkpoints: Checkpoints | None) -> str:
    worst = [term for term, loss in zip(REPORTED, losses, strict=True) if not abs(loss) < EXPLODED]
    kept = f"; the last good state, after step {done}, is kept in {checkpoints.folder}" if checkpoints and done else ""
    return (
        f"the losses of {name} must stay finite and below {EXPLODED:.0e}; after step {done} of {steps} that of "
        f"{', '.join(worst)} did not: set a smaller train.learning_rate, or a smaller weight of that term{kept}"
    )


def _callback_list(callbacks: Iterable[Any], run: Run) -> Any:
    given: Sequence[Any] = list(callbacks)
    run.nets.student.stop_training = False
    about = {
        "epochs": -(-run.knobs.steps // run.per_call),
        "steps": run.per_call,
        "total": run.knobs.steps,
        "verbose": 0,
    }
    return keras.callbacks.CallbackList(given, model=run.nets.student, add_history=False, add_progbar=False, **about)


@contextmanager
def _precision(wanted: str) -> Iterator[None]:
    """Layers made within it compute in bfloat16, or not; weights, losses and sums are float32 in any case."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if wanted == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def answers(network: Any, head: Head, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encoded rows -> task [n, K] or [n, 1], realness [n, 1], without noise."""
    outputs = head.pooled(backend.predictor(network)(x)[1])
    return _numpy(head.task(outputs)), _numpy(head.realness(outputs))


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))
