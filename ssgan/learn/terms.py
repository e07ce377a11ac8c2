"""The discriminator's objective, put together from the terms that are switched on.

    L_D = q L_supervised + r(t) [ a L_real_fake + c L_consistency + e L_entropy + m L_manifold ] + s L_teacher

r(t) rises from 0 to 1 over the ramp: early on the answers are guesses, and all of these terms would confirm them. The
teacher speaks from a certain step on, and then labels and the real/fake term step back (`LATER`): what these have
found is part of the lesson. Each term is a function of one pass over the step's rows; it costs nothing when its weight
is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ssgan.learn import backend, losses
from ssgan.learn.backend import Draws, Tensor, keras
from ssgan.learn.fakes import Fakes
from ssgan.learn.heads import Head

ops = keras.ops

TERMS = ("real_fake", "consistency", "entropy", "manifold", "teacher")
VIRTUAL_STEP = 0.18  # per root of a row's length: 5 for MNIST (Miyato et al. 2018)
MANIFOLD_STEP = 0.36  # 20 for 32 x 32 colour images (Lecouat et al. 2018)
REPORTED = ("supervised", *TERMS, "generator")
LATER = {"supervised": 0.1, "real_fake": 1 / 3}  # share of a term's weight while there is a lesson


class Weights(Protocol):
    """The knobs that the objective reads."""

    @property
    def gan_weight(self) -> float: ...
    @property
    def consistency(self) -> str: ...
    @property
    def consistency_weight(self) -> float: ...
    @property
    def sure(self) -> float: ...
    @property
    def entropy_weight(self) -> float: ...
    @property
    def manifold_weight(self) -> float: ...
    @property
    def teacher_weight(self) -> float: ...


@dataclass(frozen=True)
class Nets:
    """The network that learns and its average over the steps, which is both the product and the teacher."""

    student: Any  # Keras model x -> [features, outputs]
    average: Any  # the same
    head: Head

    def ask(self, x: Tensor, noisy: bool = True) -> Tensor:
        """The student's outputs."""
        return self.student(x, training=noisy)[1]

    def teach(self, x: Tensor) -> Tensor:
        """The average's outputs, as they are."""
        return ops.stop_gradient(self.average(x, training=False)[1])


@dataclass(frozen=True)
class Pass:
    """One pass of the student over a step's rows; what no term wants is None."""

    labelled_outputs: Tensor
    targets: Tensor
    rows: Tensor = None  # unlabelled ones
    moved: Tensor = None  # the same as the student saw them
    outputs: Tensor = None  # of these
    answers: Tensor = None  # the average's outputs for the rows as they are
    features: Tensor = None  # of these
    fake_outputs: Tensor = None
    fake_features: Tensor = None
    lesson_outputs: Tensor = None
    goal: Tensor = None  # what a lesson's outputs are to be


Term = Callable[[Pass, Nets], Tensor]


def real_fake(seen: Pass, nets: Nets) -> Tensor:
    """Real against fake, for unlabelled rows and fakes."""
    return losses.real_fake(nets.head.realness(seen.outputs), nets.head.realness(seen.fake_outputs))


def entropy(seen: Pass, nets: Nets) -> Tensor:
    """Sure answers for unlabelled rows, each class having the same say: else the largest would swallow the others."""
    return nets.head.entropy(seen.outputs, nets.head.share_weights(seen.outputs))


def teacher(seen: Pass, nets: Nets) -> Tensor:
    """What the lesson says."""
    return nets.head.distance(seen.lesson_outputs, seen.goal)


def mean_teacher(seen: Pass, nets: Nets) -> Tensor:
    """The average's answers to the same rows (Tarvainen & Valpola 2017)."""
    return nets.head.distance(seen.outputs, seen.answers)


def pseudo_label(sure: float) -> Term:
    """What the average is at least so sure of, as if it were the label (FixMatch, Sohn et al. 2020)."""

    def term(seen: Pass, _: Nets) -> Tensor:
        return losses.pseudo_label(seen.outputs, seen.answers, sure)

    return term


def interpolation(draws: Draws) -> Term:
    """Between two rows the answer lies between their answers (Verma et al. 2019, interpolation consistency)."""

    def term(seen: Pass, nets: Nets) -> Tensor:
        count = seen.rows.shape[0]
        share = draws.uniform((count, *([1] * (len(seen.rows.shape) - 1))))
        other = ops.roll(seen.moved, 1, axis=0)  # rows are drawn at random: the neighbour is as good as any
        goal = nets.head.mix(seen.answers, ops.roll(seen.answers, 1, axis=0), ops.reshape(share, (count, 1)))
        return nets.head.distance(nets.ask(share * seen.moved + (1.0 - share) * other), goal)

    return term


def virtual_adversarial(draws: Draws, radius: float, probe: float = 0.1) -> Term:
    """The answer does not change in the direction that would change it most (Miyato et al. 2018, one power step)."""

    def term(seen: Pass, nets: Nets) -> Tensor:
        goal = ops.stop_gradient(nets.ask(seen.moved, noisy=False))
        start = probe * losses.unit(draws.normal(tuple(seen.moved.shape)))
        steepest = backend.slope(lambda move: nets.head.distance(nets.ask(seen.moved + move, noisy=False), goal), start)
        move = radius * losses.unit(ops.stop_gradient(steepest))
        return nets.head.distance(nets.ask(seen.moved + move, noisy=False), goal)

    return term


def manifold(fakes: Fakes, batch: int, length: float) -> Term:
    """Along the generator's surface the answers are smooth (Lecouat et al. 2018)."""

    def term(seen: Pass, nets: Nets) -> Tensor:  # noqa: ARG001
        here, there = (ops.stop_gradient(each) for each in fakes.neighbours(backend.rows_here(batch)))
        moved = losses.manifold_step(here, there, length)
        return losses.manifold(nets.ask(here, noisy=False), nets.ask(moved, noisy=False))

    return term


def terms(knobs: Weights, fakes: Fakes | None, draws: Draws, batch: int, width: int) -> dict[str, tuple[float, Term]]:
    """The terms that are switched on, with their weights.

    Args:
        knobs: weights, and the kind of consistency.
        fakes: source of fake rows; None without the GAN.
        draws: random numbers.
        batch: rows of each kind in a step.
        width: numbers in an encoded row: the longer it is, the longer the steps that mean as much.
    """
    consistency = {
        "none": mean_teacher,
        "mean teacher": mean_teacher,
        "pseudo-label": pseudo_label(knobs.sure),
        "ict": interpolation(draws),
        "vat": virtual_adversarial(draws, VIRTUAL_STEP * math.sqrt(width)),
    }[knobs.consistency]
    found: dict[str, tuple[float, Term]] = {
        "consistency": (knobs.consistency_weight if knobs.consistency != "none" else 0.0, consistency),
        "entropy": (knobs.entropy_weight, entropy),
        "teacher": (knobs.teacher_weight, teacher),
    }
    if fakes is not None:
        found["real_fake"] = (knobs.gan_weight, real_fake)
        found["manifold"] = (knobs.manifold_weight, manifold(fakes, batch, MANIFOLD_STEP * math.sqrt(width)))
    return {name: found[name] for name in TERMS if name in found and found[name][0] > 0}
