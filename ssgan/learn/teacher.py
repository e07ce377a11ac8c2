"""Teachers: what plainer methods make of the labelled rows alone, weighted by cross-validation on them.

A discriminator learns their answers on unlabelled rows, and a committee has them as members. Classes and values differ
in who the members are and in how these are weighed, and in nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ssgan.learn.fits import Done, Labels, Need, fit, merged
from ssgan.learn.plain import answers
from ssgan.learn.stacking import class_weights, value_weights

LEAST_WEIGHT = 0.01  # a member below it is left out: it costs time and bytes and says nothing


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
        said = (answers(member.model, rows, self.width) for member in self.members)
        return self.joined(said, len(x))

    def joined(self, said: Iterable[np.ndarray], rows: int) -> np.ndarray:
        """The members' answers to some rows, float64 [rows, width] each, as one."""
        found = np.full((rows, self.width), self.constant)
        for member, each in zip(self.members, said, strict=True):
            found += member.weight * each
        return found


def teach(x: np.ndarray, targets: np.ndarray, classes: int, seed: int, groups: np.ndarray | None = None) -> Teacher:
    """A teacher of the labelled rows.

    Classes have the mean of logistic regression, two forests and boosted trees, weighted, all of balanced classes;
    values ridge, two forests and two Gaussian processes, stacked.

    Args:
        x: encoded rows, float32 [m, ...].
        targets: int [m] numbers of classes, or float [m] values in any unit.
        classes: K; 0 for values.
        seed: equal seeds give equal bits.
        groups: [m], such as patients: members are judged on groups that they have not seen; None: on rows.
    """
    labels = Labels.of(x, targets, classes, seed, groups)
    ((teacher, _),) = teachers(labels, [np.ones(len(x), bool)])
    return teacher


def teachers(
    labels: Labels, wanted: Sequence[np.ndarray], subject: np.ndarray | None = None, pool: Executor | None = None
) -> Iterator[tuple[Teacher, np.ndarray | None]]:
    """A teacher of each set of the labelled rows, in order, and what it says.

    Args:
        labels: all labelled rows.
        wanted: sets, bool [m] each; a teacher knows no label beyond its set.
        subject: encoded rows [n, ...] that each is asked about: float64 [n, width]; None: nothing is asked.
        pool: threads, which begin at once; None: each teacher is fitted when it is asked for.
    """
    rows = None if subject is None else subject.reshape(len(subject), -1)
    needs = [Need(labels, learned) for learned in wanted]
    jobs, fitted = merged(needs), partial(fit, labels, subject=rows)
    done = map(fitted, jobs) if pool is None else pool.map(fitted, jobs)
    return _in_order(needs, zip((job.key for job in jobs), done, strict=True))


def _in_order(
    needs: Sequence[Need], coming: Iterator[tuple[bytes, Done]]
) -> Iterator[tuple[Teacher, np.ndarray | None]]:
    """Each teacher as soon as its members are there."""
    done: dict[bytes, Done] = {}
    for need in needs:
        own, *others = (job.key for job in need.jobs())
        while not all(key in done for key in (own, *others)):
            key, found = next(coming)
            done[key] = found
        yield _teacher(need, done)
        done[own] = replace(done[own], models=(), of_subject=None)  # memory; its answers may weigh other teachers


def _teacher(need: Need, done: Mapping[bytes, Done]) -> tuple[Teacher, np.ndarray | None]:
    labels, own = need.labels, done[need.learned.tobytes()]
    names = list(labels.makers(need.learned))
    weights = np.full(len(names), 1 / max(len(names), 1))
    said, targets = need.held_out(done)
    mean, scale = _scale(labels.targets[need.learned])
    if len(said):
        if labels.classes:
            weights = class_weights(said[np.arange(len(said)), :, targets])
        else:
            weights = value_weights((said[:, :, 0] - mean) / scale, (targets - mean) / scale)
    kept = np.flatnonzero(weights >= LEAST_WEIGHT)
    if labels.classes:
        weights = weights / weights[kept].sum()
    members = tuple(Member(names[place], float(weights[place]), own.models[place]) for place in kept)
    left = 0.0 if labels.classes else mean * (1.0 - sum(member.weight for member in members))
    teacher = Teacher(members, labels.width, left)
    if own.of_subject is None:
        return teacher, None
    return teacher, teacher.joined(own.of_subject[kept], own.of_subject.shape[1])


def _scale(targets: np.ndarray) -> tuple[float, float]:
    return float(targets.mean()), float(targets.std()) or 1.0
