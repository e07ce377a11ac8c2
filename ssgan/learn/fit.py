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
from ssgan.learn.committee import Committee, fit_committee
from ssgan.learn.encode import Encoder
from ssgan.learn.fakes import Fakes, fakes_for
from ssgan.learn.heads import Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.moves import moves
from ssgan.learn.networks import discriminator, initialise
from ssgan.learn.pace import Pace, losses_text
from ssgan.learn.pool import HeldPool, Labelled, StreamedPool, make_pool
from ssgan.learn.prepare import is_labelled
from ssgan.learn.step import Average, Objective, Schedule, training_step
from ssgan.learn.teacher import lessons
from ssgan.learn.terms import REPORTED, Nets, terms
from ssgan.progress import say

CALLS = 50  # lines in the history of a run
WINDOW = 64  # steps in a call of the compiled loop, at most: what streamed rows must be on the device at once
EXPLODED = 1e6  # a loss beyond it will not come back
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
        callbacks: Keras callbacks; an epoch is a fiftieth of the steps, its logs are the losses, and `params` has the
            steps in an epoch and in total.

    Raises:
        ParamsError: if a loss stops being a number, or explodes.
    """
    with closing(Run(x, y, encoder, head, knobs, taught_by(x, y, head, knobs))) as run:
        return finish(run, name, checkpoints, callbacks)


def finish(run: Run, name: str, checkpoints: Checkpoints | None = None, callbacks: Iterable[Any] = ()) -> Fitted:
    """Takes all steps of a run that stands at its start; the rest as for `fit_discriminator`."""
    history, pace = _follow(run, name, checkpoints, _callback_list(callbacks, run))
    average, head = run.nets.average, run.nets.head
    warnings = health.warnings(average, head, run.x, run.fakes, run.knobs.seed) if run.fakes is not None else ()
    for warning in warnings:
        say(f"train: {name}: {warning}")
    return Fitted(average, head, history, pace, run.fakes, warnings)


def taught_by(x: np.ndarray, y: np.ndarray, head: Head, knobs: Knobs) -> np.ndarray | None:
    """What a teacher of the labelled rows says of all rows, as the head's `distance` takes it; None without teacher."""
    if knobs.teacher_weight == 0:
        return None
    return head.goal(lessons(x, y, is_labelled(y), head.classes, knobs.seed))


def committee_of(x: np.ndarray, y: np.ndarray, head: Head, knobs: Knobs) -> Committee | None:
    """What joins the discriminator, fitted on the labelled rows; None where it answers alone."""
    if knobs.answer == "discriminator":
        return None
    known = is_labelled(y)
    return fit_committee(x[known], head.targets(y[known]), head.classes, knobs.seed)


class Run:
    """The networks, the rows, and the step that changes them."""

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        encoder: Encoder,
        head: Head,
        knobs: Knobs,
        taught: np.ndarray | None = None,
        numbers: Callable[[int], Draws] = Draws,
    ) -> None:
        """As `fit_discriminator`; `taught` is what `taught_by` gives, `numbers` makes random numbers from a seed."""
        self.x, self.knobs = x, knobs
        with _precision(knobs.precision):
            self._build(y, encoder, head, taught, numbers)

    def _build(
        self, y: np.ndarray, encoder: Encoder, head: Head, taught: np.ndarray | None, numbers: Callable[[int], Draws]
    ) -> None:
        x, knobs = self.x, self.knobs
        seeds = [int(each) for each in np.random.SeedSequence(knobs.seed).generate_state(4) >> 1]
        draws, state = numbers(seeds[0]), State()
        nets = [discriminator(encoder, head, knobs, draws, knobs.seed) for _ in range(2)]
        initialise(nets[0], np.asarray(x[np.linspace(0, len(x) - 1, min(INITIAL_ROWS, len(x))).astype(np.int64)]))
        nets[1].set_weights(nets[0].get_weights())
        self.nets, self.state = Nets(nets[0], nets[1], head), state
        self.per_call = max(1, knobs.steps // CALLS)
        self._window = min(WINDOW, self.per_call)
        pool = make_pool(x, taught, encoder, knobs.batch, seeds[1], self._window, state, knobs.rows, numbers)
        self._pool, self._size = pool, x.size if x.ndim == 2 else SMALL
        labelled = Labelled(x, y, head, knobs.batch, numbers(seeds[2]), state)
        self._labelled = labelled
        wanted = knobs.gan_weight > 0 or knobs.manifold_weight > 0
        self.fakes = fakes_for(knobs.fakes, pool, encoder, knobs, draws, seeds[3]) if wanted else None
        schedule = Schedule(knobs.steps, knobs.learning_rate, knobs.warmup, knobs.ramp)
        chosen = terms(knobs, self.fakes, draws, knobs.batch, encoder.width)
        moved = moves(knobs.shift, knobs.warp, draws)
        objective = Objective(self.nets, labelled, pool, schedule, chosen, self.fakes, knobs.batch, moved)
        average = Average(nets[0].trainable_variables, nets[1].trainable_variables, knobs.ema)
        phases = objective.phases(knobs.update == "alternating")
        step, moments = training_step(phases, schedule, average, (draws, labelled, pool), BETA1)
        for net in (*nets, *(self.fakes.models if self.fakes is not None else ())):
            state.adopt(net.variables)
        state.adopt(moments)
        self._first = state.values()
        self._loop = backend.Loop(step, len(REPORTED), state)

    def begin(self, chosen: np.ndarray, taught: np.ndarray | None) -> None:
        """Goes back to the start, to learn from some of the labelled rows; nothing is compiled again.

        Args:
            chosen: bool [m], of the labelled rows in their order.
            taught: what a teacher says of all rows that has seen no other labels, as the head's `distance` takes it.
        """
        self.state.restore(self._first)
        self._labelled.learn_from(chosen)
        if taught is not None:
            self._pool.teach(taught)

    @property
    def small(self) -> bool:
        """Whether copies of it fit on the device side by side: a table whose rows are held."""
        return isinstance(self._pool, HeldPool) and self._size < SMALL

    def copies(self) -> Copies:
        """Of the networks, which learn at the same time, each from the rows that it is given."""
        found: Copies = backend.copies(self._loop)
        return found

    def advance(self, first: int, count: int) -> np.ndarray:
        """Runs steps, returns their mean losses [len(REPORTED)]."""
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


def _follow(run: Run, name: str, checkpoints: Checkpoints | None, callbacks: Any) -> tuple[np.ndarray, float]:
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
        callbacks.on_epoch_end(len(lines) - 1, dict(zip(REPORTED, losses.tolist(), strict=True)))
        if checkpoints is not None and done < knobs.steps:
            checkpoints.save(Saved(done, run.state.values(), np.asarray(lines)))
        if pace.worth_telling(done):
            say(f"train: {name} {pace.text(done)}, {losses_text(losses)}")
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
