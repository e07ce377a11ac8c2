"""Members fitted to sets of labelled rows: each set once, however many teachers have a use for it.

A teacher wants its members fitted to all rows that it may see and, to weigh them, to these rows without each of its
folds. Crossfit wants a teacher of all rows, and one without each fold. So the sets meet: all rows but fold k make the
teacher of fold k, and help to weigh the whole's; all but k and l help the teachers of k and of l. Five folds take 16
fits of each member in place of 36, ten of them light, and no teacher hears of a label that it may not see. A teacher
of some of the labels has smaller forests: the models that it teaches judge, and are not served.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from ssgan.learn import plain
from ssgan.learn.plain import CLASS_MEMBERS, VALUE_MEMBERS, Make, answers, light, quietly
from ssgan.learn.stacking import EVER_LEARNED, NOT_ASKED, division

FEWEST_VALUES = 4  # rows; below them nothing is held out


@dataclass(frozen=True)
class Labels:
    """Labelled rows, encoded."""

    rows: np.ndarray  # float32 [m, F]
    targets: np.ndarray  # int64 [m] numbers of classes, or float64 [m] values in any unit
    classes: int  # K; 0 for values
    seed: int
    groups: np.ndarray | None = None  # [m], such as patients: members are judged on groups that they have not seen

    @classmethod
    def of(cls, x: np.ndarray, targets: np.ndarray, classes: int, seed: int, groups: np.ndarray | None) -> Self:
        """Of encoded rows [m, ...] and their targets in any type."""
        kind = np.int64 if classes else np.float64
        return cls(np.asarray(x.reshape(len(x), -1)), np.asarray(targets, kind), classes, seed, groups)

    @property
    def width(self) -> int:
        """Of an answer."""
        return max(self.classes, 1)

    def makers(self, learned: np.ndarray) -> Mapping[str, Make]:
        """Of the members that have a use for these rows (bool [m]); none where all values are the same."""
        alike = bool(np.ptp(self.targets[learned]) == 0)
        if not self.classes:
            return {} if alike else VALUE_MEMBERS
        return {"extra trees": CLASS_MEMBERS["extra trees"]} if alike else CLASS_MEMBERS


@dataclass(frozen=True)
class Job:
    """Members to be fitted to a set of rows."""

    learned: np.ndarray  # bool [m], the set
    asked: tuple[np.ndarray, ...]  # bool [m] each, labelled rows that they are asked about, together
    whole: bool  # whether a teacher is made of them; else their answers weigh others

    @property
    def key(self) -> bytes:
        """Equal for equal sets."""
        return self.learned.tobytes()

    @property
    def trees(self) -> int:
        """Of a forest, at most: fewer where it only weighs, or teaches a model that is not served."""
        if not self.whole:
            return plain.CV_TREES
        return plain.TREES if self.learned.all() else plain.PART_TREES


@dataclass(frozen=True)
class Done:
    """Fitted members, in the order of their makers."""

    said: Mapping[bytes, np.ndarray]  # float64 [rows, M, width] per set of rows asked about; of light members
    models: tuple[Any, ...]  # none where no teacher is made of them
    of_subject: np.ndarray | None  # float64 [M, rows, width]: of rows that are no labelled ones


@dataclass(frozen=True)
class Need:
    """What a teacher of some of the labelled rows wants."""

    labels: Labels
    learned: np.ndarray  # bool [m]

    @cached_property
    def folds(self) -> np.ndarray:
        """int [m], see `stacking.division`; `NOT_ASKED` everywhere where nothing is held out.

        A fold without which all others are alike is in none: every member learns its rows.
        """
        folds, rows = np.full(len(self.learned), NOT_ASKED), np.flatnonzero(self.learned)
        several = len(self.labels.makers(self.learned)) > 1
        if several and (self.labels.classes or len(rows) >= FEWEST_VALUES):
            groups = None if self.labels.groups is None else self.labels.groups[rows]
            folds[rows] = division(self.labels.targets[rows], self.labels.width, self.labels.seed, groups)
            for fold in range(folds.max() + 1):
                others = self.labels.targets[(folds != NOT_ASKED) & (folds != fold)]
                if len(others) < 2 or np.ptp(others) == 0:  # most members could not learn without it
                    folds[folds == fold] = EVER_LEARNED
        return folds

    def jobs(self) -> list[Job]:
        """The teacher's own fits, and those that weigh its members."""
        found = [Job(self.learned, (), whole=True)]
        for fold in np.unique(self.folds[self.folds >= 0]):
            held = self.folds == fold
            found.append(Job((self.folds != NOT_ASKED) & ~held, (held,), whole=False))
        return found

    def held_out(self, done: Mapping[bytes, Done]) -> tuple[np.ndarray, np.ndarray]:
        """What each member says of rows that it has not seen, [n, M, width], and the targets [n] of these rows."""
        said = np.zeros((len(self.learned), len(self.labels.makers(self.learned)), self.labels.width))
        for job in self.jobs()[1:]:
            (held,) = job.asked
            said[held] = done[job.key].said[held.tobytes()]
        return said[self.folds >= 0], self.labels.targets[self.folds >= 0]


def merged(needs: Iterable[Need]) -> list[Job]:
    """The jobs of all needs, one for each set of rows, in the order in which they are first wanted."""
    found: dict[bytes, Job] = {}
    for job in (each for need in needs for each in need.jobs()):
        known = found.get(job.key, replace(job, asked=()))
        found[job.key] = replace(known, asked=(*known.asked, *job.asked), whole=known.whole or job.whole)
    return list(found.values())


def fit(labels: Labels, job: Job, subject: np.ndarray | None) -> Done:
    """Fits the members of a job; where a teacher is made of them they answer the subject [rows, F] too."""
    rows, targets, width = labels.rows[job.learned], labels.targets[job.learned], labels.width
    models = []
    with quietly():
        for make in labels.makers(job.learned).values():
            models.append(light(make(len(rows), width, labels.seed), job.trees).fit(rows, targets))
        few = [light(each, plain.CV_TREES) for each in models] if job.asked else []
        said = {held.tobytes(): _said(few, labels.rows[held], width) for held in job.asked}
        whole = tuple(models) if job.whole else ()
        of_subject = None
        if job.whole and subject is not None:
            of_subject = _said(whole, subject, width).swapaxes(0, 1)
    return Done(said, whole, of_subject)


def _said(models: Sequence[Any], rows: np.ndarray, width: int) -> np.ndarray:
    """float64 [rows, M, width]. Always of the same rows together: a matrix product's last bits depend on the others."""
    found = np.zeros((len(rows), len(models), width))
    for place, model in enumerate(models):
        found[:, place] = answers(model, rows, width)
    return found
