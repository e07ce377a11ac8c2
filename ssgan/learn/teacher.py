"""Teachers: what plainer methods make of the labelled rows alone, weighted by cross-validation on them.

A discriminator learns their answers on unlabelled rows, and a committee has them as members. Classes and values differ
in who the members are and in how these are weighed, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssgan.learn.plain import CLASS_MEMBERS, VALUE_MEMBERS, Make, answers, quietly
from ssgan.learn.stacking import class_weights, held_out, value_weights

LEAST_WEIGHT = 0.01  # a member below it is left out: it costs time and bytes and says nothing
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Member:
    """A fitted model and its share of the answer."""

    name: str
    weight: float
    model: Any  # scikit-learn's


@dataclass(frozen=True)
class Teacher:
    """The weighted sum of its members: for classes a mean; of a value, what their weights leave goes to a constant."""

    members: tuple[Member, ...]
    width: int  # K classes, or 1 for a value
    constant: float = 0.0  # added to a value

    def answers(self, x: np.ndarray) -> np.ndarray:
        """Encoded rows -> float64 probabilities [n, K], or values [n, 1] in the unit of the targets."""
        rows = x.reshape(len(x), -1)
        found = np.full((len(x), self.width), self.constant)
        for at in range(0, len(x), ROWS_AT_ONCE):
            part = rows[at : at + ROWS_AT_ONCE]
            for member in self.members:
                found[at : at + len(part)] += member.weight * answers(member.model, part, self.width)
        return found


def teach(x: np.ndarray, targets: np.ndarray, classes: int, seed: int, groups: np.ndarray | None = None) -> Teacher:
    """A teacher of the labelled rows.

    Args:
        x: encoded rows, float32 [m, ...].
        targets: int [m] numbers of classes, or float [m] values in any unit.
        classes: K; 0 for values.
        seed: equal seeds give equal bits.
        groups: [m], such as patients: members are judged on groups that they have not seen; None: on rows.
    """
    if classes:
        return class_teacher(x, targets, classes, seed, groups)
    return value_teacher(x, targets, seed, groups)


def value_teacher(x: np.ndarray, targets: np.ndarray, seed: int, groups: np.ndarray | None = None) -> Teacher:
    """Ridge, random forest, extra trees and two Gaussian processes, stacked. As `teach`."""
    rows, targets = x.reshape(len(x), -1), np.asarray(targets, np.float64)
    mean, scale = float(targets.mean()), float(targets.std()) or 1.0
    if len(rows) < 2 or np.ptp(targets) == 0:
        return Teacher((), 1, mean)
    with quietly():
        weights = np.full(len(VALUE_MEMBERS), 1 / len(VALUE_MEMBERS))
        if len(rows) >= 4:
            said, wanted = held_out(VALUE_MEMBERS, rows, targets, 1, seed, groups)
            if len(said):
                weights = value_weights((said[:, :, 0] - mean) / scale, (wanted - mean) / scale)
        members = _fitted(VALUE_MEMBERS, weights, rows, targets, 1, seed)
    return Teacher(members, 1, mean * (1.0 - sum(member.weight for member in members)))


def class_teacher(
    x: np.ndarray, targets: np.ndarray, classes: int, seed: int, groups: np.ndarray | None = None
) -> Teacher:
    """The mean of logistic regression, two forests and boosted trees of balanced classes, weighted. As `teach`."""
    rows, targets = x.reshape(len(x), -1), np.asarray(targets, np.int64)
    makers = CLASS_MEMBERS
    if (targets == targets[0]).all():  # nothing to tell apart: every member would say the same
        makers = {"extra trees": CLASS_MEMBERS["extra trees"]}
    with quietly():
        weights = np.full(len(makers), 1 / len(makers))
        if len(makers) > 1:
            said, wanted = held_out(makers, rows, targets, classes, seed, groups)
            if len(said):
                weights = class_weights(said[np.arange(len(said)), :, wanted])
        members = _fitted(makers, weights, rows, targets, classes, seed)
    whole = sum(member.weight for member in members)
    return Teacher(tuple(Member(each.name, each.weight / whole, each.model) for each in members), classes)


def _fitted(
    makers: Mapping[str, Make], weights: np.ndarray, rows: np.ndarray, targets: np.ndarray, width: int, seed: int
) -> tuple[Member, ...]:
    return tuple(
        Member(name, weight, make(len(rows), width, seed).fit(rows, targets))
        for (name, make), weight in zip(makers.items(), weights.tolist(), strict=True)
        if weight >= LEAST_WEIGHT
    )
