"""One training step: a pass over the step's rows, the updates, the averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from ssgan.learn.backend import Adam, Tensor, Variable, gradients, keras, rows_here
from ssgan.learn.fakes import Fakes
from ssgan.learn.moves import Moves
from ssgan.learn.pool import Labelled, Pool
from ssgan.learn.taught import TaughtRows
from ssgan.learn.terms import LATER, REPORTED, Nets, Pass, Term

ops = keras.ops

LAST_RATE = 0.02  # share of the learning rate left at the last step


@dataclass(frozen=True)
class Schedule:
    """How the learning rate and the weights of the unlabelled terms go over the steps, counted from 0."""

    steps: int
    learning_rate: float
    warmup: float  # share of the steps
    cooldown: float  # share of the steps
    ramp: float  # share of the steps
    taught_from: int | None = None  # step from which on there is a lesson; None: never

    def progress(self, step: Tensor) -> Tensor:
        """Share of the steps done, 0 .. 1."""
        return ops.cast(step, "float32") / self.steps

    def rate(self, step: Tensor) -> Tensor:
        """Rises in a line over the warm-up, stays, and falls over the cool-down by a cosine to 2 %."""
        late = ops.maximum((self.progress(step) - (1.0 - self.cooldown)) / self.cooldown, 0.0)
        early = ops.minimum(ops.cast(step + 1, "float32") / max(1.0, self.warmup * self.steps), 1.0)
        return self.learning_rate * early * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1.0 + ops.cos(math.pi * late)))

    def counting(self, term: str, step: Tensor) -> Tensor:
        """How much of a term's weight counts: of unlabelled ones a ramp, and less while there is a lesson."""
        ramped = ops.minimum(ops.cast(step + 1, "float32") / max(1.0, self.ramp * self.steps), 1.0)
        if self.taught_from is None:
            return ramped if term != "supervised" else ops.ones_like(ramped)
        taught = ops.cast(step >= self.taught_from, "float32")
        if term == "teacher":
            return taught
        left = 1.0 - taught * (1.0 - LATER.get(term, 1.0))
        return left if term == "supervised" else left * ramped


class Starts(Protocol):
    """Something that draws: it must know the step."""

    def start(self, step: Tensor) -> None: ...


Forward = Callable[[Tensor], tuple[tuple[Tensor, ...], Tensor]]  # step -> (one loss per learner, report)


@dataclass(frozen=True)
class Phase:
    """One update: losses from one pass, each differentiated by the weights of its learner."""

    forward: Forward
    learners: Sequence[Sequence[Variable]]


@dataclass(frozen=True)
class Objective:
    """What a step minimises, as phases: one (both players from the same pass) or two (one after the other)."""

    nets: Nets
    labelled: Labelled
    pool: Pool
    schedule: Schedule
    terms: dict[str, tuple[float, Term]]
    fakes: Fakes | None
    batch: int
    moved: Moves  # labelled rows as the student sees them
    stirred: Moves  # unlabelled rows as the student sees them
    lesson: TaughtRows | None = None
    asks: bool = False  # whether a term wants the average's answers
    align: float = 0.0  # share of the steps over which these are brought to the class shares of the labels

    def untaught(self) -> Objective:
        """The same before the lesson begins: its rows, a third or more of a pass, are left out."""
        return replace(self, lesson=None, terms={name: each for name, each in self.terms.items() if name != "teacher"})

    def phases(self, alternating: bool) -> list[Phase]:
        """The updates of a step, in order.

        Args:
            alternating: the generator after the discriminator, with rows and fakes of its own (Salimans et al. 2016);
                else both from one pass, which takes about two thirds of the time.
        """
        weights = self.nets.student.trainable_variables
        learning = self.fakes.weights if self.fakes is not None else []
        if not learning:
            return [Phase(self._discriminator, [weights])]
        if alternating:
            return [Phase(self._discriminator, [weights]), Phase(self._generator, [learning])]
        return [Phase(self._both, [weights, learning])]

    def _discriminator(self, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        total, losses = self._losses(self._pass(step), step)
        return (total,), _report(losses)

    def _both(self, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        seen = self._pass(step)
        total, losses = self._losses(seen, step)
        (generator,) = self._fooling(seen)
        return (total, generator), _report({**losses, "generator": generator})

    def _generator(self, step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        assert self.fakes is not None
        features, _ = self.nets.student(self.stirred(self.pool.more_rows()), training=True)
        fake_features, fake_outputs = self.nets.student(self._draw(step), training=True)
        realness = self.nets.head.realness(fake_outputs)
        (loss,) = self.fakes.losses(fake_features, features, realness)
        return (loss,), _report({"generator": loss})

    def _draw(self, step: Tensor) -> Tensor:
        assert self.fakes is not None
        return self.fakes.draw(rows_here(self.batch), self.schedule.progress(step))

    def _pass(self, step: Tensor) -> Pass:
        """No row sees another in the discriminator, so rows share a pass wherever that saves something.

        A learning generator's fakes have a pass of their own: in one with the others, every row would be carried back
        to the generator for nothing (a quarter more time).
        """
        x, targets = self.labelled.rows()
        x = self.moved(x)
        if not self.terms:
            return Pass(self.nets.ask(x), targets)
        rows, goal = self.pool.rows(), None
        parts = {"labelled": x, "unlabelled": self.stirred(rows)}
        learning = self.fakes is not None and bool(self.fakes.weights)
        if self.fakes is not None and not learning:
            parts["fakes"] = self._draw(step)
        if self.lesson is not None:
            parts["lesson"], goal = self.lesson.rows()
        found = self._together(parts)
        if learning:
            found["fakes"] = self.nets.student(self._draw(step), training=True)
        features, outputs = found["unlabelled"]
        fake_features, fake_outputs = found.get("fakes", (None, None))
        return Pass(
            labelled_outputs=found["labelled"][1],
            targets=targets,
            rows=rows,
            moved=parts["unlabelled"],
            outputs=outputs,
            answers=self._answers(rows, step) if self.asks else None,
            features=features,
            fake_outputs=fake_outputs,
            fake_features=fake_features,
            lesson_outputs=found["lesson"][1] if self.lesson is not None else None,
            goal=goal,
        )

    def _answers(self, rows: Tensor, step: Tensor) -> Tensor:
        """The average's. With few labels it takes half a class for another, and would never come back: the student
        learns that, and is the average. So its shares of classes are held to the labels', less and less.
        """
        found = self.nets.teach(rows)
        if self.align == 0:
            return found
        strength = ops.maximum(1.0 - self.schedule.progress(step) / self.align, 0.0)
        return self.nets.head.aligned(found, self.labelled.shares, strength)

    def _together(self, parts: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """Features and outputs of each part's rows, from one pass over all of them."""
        features, outputs = self.nets.student(ops.concatenate([*parts.values()], axis=0), training=True)
        found, start = {}, 0
        for name, rows in parts.items():
            end = start + rows.shape[0]
            found[name] = features[start:end], outputs[start:end]
            start = end
        return found

    def _losses(self, seen: Pass, step: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        losses = {"supervised": self.nets.head.supervised(seen.labelled_outputs, seen.targets)}
        total = self.schedule.counting("supervised", step) * losses["supervised"]
        for name, (weight, term) in self.terms.items():
            losses[name] = term(seen, self.nets)
            total = total + weight * self.schedule.counting(name, step) * losses[name]
        if "teacher" in losses:
            losses["teacher"] = losses["teacher"] * self.schedule.counting("teacher", step)  # there is none yet
        return total, losses

    def _fooling(self, seen: Pass) -> tuple[Tensor, ...]:
        assert self.fakes is not None
        realness = self.nets.head.realness(seen.fake_outputs)
        return self.fakes.losses(seen.fake_features, seen.features, realness)


def _report(losses: dict[str, Tensor]) -> Tensor:
    return ops.stack([ops.cast(losses.get(name, 0.0), "float32") for name in REPORTED])


class Average:
    """The student's weights averaged over the steps, exponentially, as if started at the first step's weights.

    m_t = m_{t-1} + (1 - d) / (1 - d^t) (w_t - m_{t-1}) is Adam's corrected average at every step (Kingma & Ba 2015,
    section 3), so that the averaged network can teach from the beginning.
    """

    def __init__(
        self, student: Sequence[Variable], average: Sequence[Variable], decay: float, recent: float = 1.0
    ) -> None:
        """`recent`: over no more than about that share of the steps so far."""
        self._pairs = list(zip(student, average, strict=True))
        self._decay, self._most = decay, 1.0 / recent

    def update(self, step: Tensor) -> None:
        """After the step's update; `step` counts from 0."""
        done = ops.cast(step + 1, "float32")
        share = (1.0 - self._decay) / (1.0 - ops.power(self._decay, done))
        share = ops.maximum(share, self._most / (done + self._most - 1.0))
        for weight, mean in self._pairs:
            mean.assign(mean + share * (weight - mean))


def training_steps(
    kinds: Sequence[Sequence[Phase]], schedule: Schedule, average: Average, drawing: Sequence[Starts], beta1: float
) -> tuple[list[Callable[[Tensor], Tensor]], list[Variable]]:
    """Steps of several kinds as functions of their number, and the optimizers' state, which they share.

    Args:
        kinds: the updates of each kind, in order; of the same learners.
        schedule: of the learning rate.
        average: of the student's weights.
        drawing: everything that draws random numbers.
        beta1: of Adam.

    Returns:
        Functions that change the learners' weights and return the report [len(REPORTED)]; the moments.
    """
    optimizers = [[Adam(weights, beta1) for weights in phase.learners] for phase in kinds[0]]

    def step(phases: Sequence[Phase], number: Tensor) -> Tensor:
        for each in drawing:
            each.start(number)
        reports = []
        for phase, of_phase in zip(phases, optimizers, strict=True):
            slopes, report = gradients(partial(phase.forward, number), phase.learners)
            for optimizer, slope in zip(of_phase, slopes, strict=True):
                optimizer.apply(slope, schedule.rate(number), number)
            reports.append(report)
        average.update(number)
        return sum(reports[1:], reports[0])

    moments = [variable for of_phase in optimizers for optimizer in of_phase for variable in optimizer.variables]
    return [partial(step, phases) for phases in kinds], moments
