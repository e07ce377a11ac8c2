"""Have the unlabelled rows the labels' shares of classes? Found by trial, where labels are so few that it matters.

With a few labels of a class the averaged network easily takes it for another, learns from the student what the student
learns from it, and never comes back. To hold its answers to the labels' shares in the beginning prevents that
(`Objective.align`), and is ruin where the rest has other shares: a class that fills the room of two is then cut
through. Where it is cut, rows of a kind are told apart, and no network can be sure of that. So both are tried, each in
a short run, and what makes the answers much less sure is wrong: the cluster assumption, by which unlabelled rows teach
classes at all. Much less, for a class that has swallowed another is sure of both.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import numpy as np

from ssgan.learn.encode import Encoder
from ssgan.learn.heads import Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.prepare import is_labelled
from ssgan.learn.run import Run, task_and_realness
from ssgan.learn.training_rows import evenly
from ssgan.progress import say

FEW = 5  # labels of a class in the mean, up to which a class is easily lost
SHARE = 0.2  # of the steps that each of the two runs takes
MUCH = 1.4  # times the entropy; see docs/science-images.md for what was seen
HELD = float("inf")  # `align` of the run that is held to the end
ALIGN = 0.5  # where it is to be held
ROWS = 4096  # whose answers are looked at


def settled(x: np.ndarray, y: np.ndarray, encoder: Encoder, head: Head, knobs: Knobs) -> Knobs:
    """The knobs with `align` as a number; nothing is tried where it is one.

    Args:
        x: encoded training rows, float32 [n, ...].
        y: their labels; -1 unlabelled.
        encoder: that made x.
        head: of the task.
        knobs: resolved.
    """
    if knobs.align is not None:
        return knobs
    known = is_labelled(y)
    if known.all() or known.sum() > FEW * head.classes:
        return replace(knobs, align=0.0)
    held, free = doubts(x, y, encoder, head, knobs)
    found = chosen(held, free)
    say(
        f"train: with {known.sum()} labels of {head.classes} classes one is easily lost; answers are "
        f"{'held' if found else 'not held'} to the labels' shares at first (train.align): in a trial their entropy was "
        f"{held:.3f} with it, which may be {MUCH:g} times that without, {free:.3f}"
    )
    return replace(knobs, align=found)


def doubts(x: np.ndarray, y: np.ndarray, encoder: Encoder, head: Head, knobs: Knobs) -> tuple[float, float]:
    """The trial: mean entropy of the answers to unlabelled rows, in nats, of a run that is held and of a free one.

    NaN if a loss became no number. The arguments are those of `settled`.
    """
    held, free = (_doubt(x, y, encoder, head, _short(knobs, align)) for align in (HELD, 0.0))
    return held, free


def chosen(held: float, free: float) -> float:
    """`align` by what a trial found; 0 where a loss became no number."""
    return ALIGN if held <= MUCH * free else 0.0


def _short(knobs: Knobs, align: float) -> Knobs:
    """Of a trial, which no fake has a part in."""
    steps = max(1, round(SHARE * knobs.steps))
    return replace(knobs, steps=steps, align=align, gan_weight=0.0, manifold_weight=0.0, teacher_weight=0.0)


def _doubt(x: np.ndarray, y: np.ndarray, encoder: Encoder, head: Head, knobs: Knobs) -> float:
    from scipy.special import entr, softmax

    with closing(Run(x, y, encoder, head, knobs)) as run:
        for first in range(0, knobs.steps, run.per_call):
            losses = run.advance(first, min(run.per_call, knobs.steps - first))
            if not np.isfinite(losses).all():
                return float("nan")
        rows = x[evenly(np.flatnonzero(~is_labelled(y)), ROWS)]
        logits, _ = task_and_realness(run.nets.average, head, rows)
    return float(entr(softmax(logits, axis=1)).sum(axis=1).mean())
