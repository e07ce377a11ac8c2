"""One training step: the objective, the two updates, the averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssgan.learn import losses
from ssgan.learn.backend import Adam, Draws, Tensor, Variable, constant, gradients, keras, zeros_like
from ssgan.learn.fakes import Fakes
from ssgan.learn.heads import Head
from ssgan.learn.prepare import is_labelled

ops = keras.ops

REPORTED = ("supervised", "real_fake", "feature_matching")
LAST_RATE = 0.02  # share of the learning rate left at the last step


class Rows:
    """The training rows on the device, and how a batch of them is drawn."""

    def __init__(self, x: np.ndarray, y: np.ndarray, head: Head, draws: Draws) -> None:
        known = np.flatnonzero(is_labelled(y))
        strata = head.strata(y[known])
        order = np.concatenate(strata)
        counts = np.array([len(each) for each in strata], np.int32)
        self._x, self._labelled = constant(x), constant(x[known][order])
        self._targets = constant(head.targets(y[known][order]))
        self._counts, self._starts = constant(counts), constant(np.cumsum(counts, dtype=np.int32) - counts)
        self._rows, self._strata, self._draws = len(x), len(strata), draws

    def labelled(self, batch: int) -> tuple[Tensor, Tensor]:
        """Labelled rows and targets; every class has an equal share of the batch, to within one row."""
        first = self._draws.integers((1,), self._strata)
        stratum = (first + np.arange(batch, dtype=np.int32)) % self._strata
        count = ops.take(self._counts, stratum)
        place = ops.cast(self._draws.uniform((batch,)) * ops.cast(count, "float32"), "int32")
        chosen = ops.take(self._starts, stratum) + ops.minimum(place, count - 1)
        return ops.take(self._labelled, chosen, axis=0), ops.take(self._targets, chosen)

    def unlabelled(self, batch: int) -> Tensor:
        """Any training rows: what they are labelled is not looked at."""
        return ops.take(self._x, self._draws.integers((batch,), self._rows), axis=0)


@dataclass(frozen=True)
class Schedule:
    """How the learning rate and the weight of the real/fake term go over the steps, counted from 0."""

    steps: int
    learning_rate: float
    gan_weight: float
    ramp: float  # share of the steps

    def rate(self, step: Tensor) -> Tensor:
        """Constant over the first half, then a cosine down to 2 %."""
        late = ops.maximum(2.0 * ops.cast(step, "float32") / self.steps - 1.0, 0.0)
        return self.learning_rate * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1.0 + ops.cos(math.pi * late)))

    def weight(self, step: Tensor) -> Tensor:
        """Rises in a line from 0: early on the classes are guesses, and the real/fake term would confirm them."""
        return self.gan_weight * ops.minimum(ops.cast(step + 1, "float32") / max(1.0, self.ramp * self.steps), 1.0)


Objective = Callable[[Tensor], tuple[tuple[Tensor, ...], Tensor]]  # step -> (one loss per learner, report)


def supervised_objective(discriminator: Any, head: Head, rows: Rows, batch: int) -> Objective:
    """Labelled rows alone: the supervised twin."""

    def objective(step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:  # noqa: ARG001
        x, targets = rows.labelled(batch)
        _, outputs = discriminator(x, training=True)
        loss = head.supervised(outputs, targets)
        return (loss,), ops.stack([loss, 0.0, 0.0])

    return objective


def ssgan_objective(
    discriminator: Any, head: Head, rows: Rows, batch: int, fakes: Fakes, schedule: Schedule
) -> Objective:
    """L_D = L_supervised + a(step) L_real_fake, and the fakes' own loss, each differentiated by its own weights.

    Labelled and unlabelled rows share a pass, which is exact, as no row sees another in the discriminator. The fakes
    have a pass of their own, used by both losses: in one with the others, every row would be carried back to the
    generator for nothing (a quarter more time).
    """

    def objective(step: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        x, targets = rows.labelled(batch)
        real, fake = ops.concatenate([x, rows.unlabelled(batch)], axis=0), fakes.draw(batch)
        features, outputs = discriminator(real, training=True)
        fake_features, fake_outputs = discriminator(fake, training=True)
        supervised = head.supervised(outputs[:batch], targets)
        real_fake = losses.real_fake(head.realness(outputs[batch:]), head.realness(fake_outputs))
        matching = fakes.losses(fake_features, features[batch:])
        total = supervised + schedule.weight(step) * real_fake
        return (total, *matching), ops.stack([supervised, real_fake, *(matching or (0.0,))])

    return objective


class Average:
    """Exponential moving average of weights, started at 0 and corrected for it (Kingma & Ba 2015, section 3)."""

    def __init__(self, weights: Sequence[Variable], decay: float) -> None:
        self._pairs = [(weight, zeros_like(weight)) for weight in weights]
        self._decay = decay

    def update(self) -> None:
        for weight, mean in self._pairs:
            mean.assign(mean + (1.0 - self._decay) * (weight - mean))

    def settle(self, steps: int) -> None:
        """Puts the average after that many updates into the weights."""
        for weight, mean in self._pairs:
            weight.assign(mean / (1.0 - self._decay**steps))


def training_step(
    objective: Objective, learners: Sequence[Sequence[Variable]], schedule: Schedule, average: Average
) -> Callable[[Tensor], Tensor]:
    """The step as a function of its number: changes the learners' weights, returns the report [len(REPORTED)]."""
    optimizers = [Adam(weights, beta1=0.5) for weights in learners]

    def step(number: Tensor) -> Tensor:
        slopes, report = gradients(lambda: objective(number), learners)
        for optimizer, slope in zip(optimizers, slopes, strict=True):
            optimizer.apply(slope, schedule.rate(number), number)
        average.update()
        return report

    return step
