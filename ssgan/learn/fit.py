"""The one entry to training: encoded rows in, a discriminator with averaged weights out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssgan.errors import InputError, ParamsError
from ssgan.learn import backend, health
from ssgan.learn.backend import keras
from ssgan.learn.checkpoint import Checkpoints, Saved
from ssgan.learn.committee import Committee
from ssgan.learn.encode import Encoder
from ssgan.learn.fakes import Fakes
from ssgan.learn.heads import Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.lessons import Taught, taught_by
from ssgan.learn.pace import Pace, Score, Validation, losses_text
from ssgan.learn.run import EXPLODED, Run, require_finite, task_and_realness
from ssgan.learn.terms import REPORTED
from ssgan.progress import say


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
        return task_and_realness(self.discriminator, self.head, x)

    def disagreement(self, x: np.ndarray) -> np.ndarray:
        """Encoded rows -> how far the members are apart, [n]; 0 for one network."""
        apart = self.head.disagreement(backend.predictor(self.discriminator)(x)[1])
        return np.asarray(keras.ops.convert_to_numpy(apart))


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
        ParamsError: if a loss or a weight stops being a number, or a loss explodes.
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
    require_finite(average, name)
    warnings = health.of_game(average, head, run.x, run.fakes, run.knobs) if run.fakes is not None else ()
    if run.knobs.asks_average:
        warnings += health.of_answers(average, head, run.x, run.y)
    for warning in warnings:
        say(f"train: {name}: {warning}")
    return Fitted(average, head, history, pace, run.fakes, warnings)


def committee_of(taught: Taught | None, knobs: Knobs) -> Committee | None:
    """What joins the discriminator; None where it answers alone."""
    return Committee(taught.teacher) if taught is not None and knobs.answer == "committee" else None


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


def as_callbacks(given: Iterable[Any] | None) -> list[Any]:
    """Keras callbacks as a list: one alone and None are taken too, as by Keras itself.

    Raises:
        InputError: if one is something else.
    """
    found = [given] if isinstance(given, keras.callbacks.Callback) else list(given or ())
    for each in found:
        if not isinstance(each, keras.callbacks.Callback):
            raise InputError(f"callbacks must be Keras callbacks; one is {each!r:.80}: leave it out")
    return found


def _callback_list(callbacks: Iterable[Any], run: Run) -> Any:
    run.nets.student.stop_training = False
    about = {
        "epochs": -(-run.knobs.steps // run.per_call),
        "steps": run.per_call,
        "total": run.knobs.steps,
        "verbose": 0,
    }
    return keras.callbacks.CallbackList(
        list(callbacks), model=run.nets.student, add_history=False, add_progbar=False, **about
    )
