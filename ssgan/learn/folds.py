"""Labelled rows answered by models that had not seen them: how little is wasted where labels are few.

The labelled rows are divided into folds; for each, a model learns from the others and from every unlabelled row, and
answers the fold's rows. The models differ in their labelled rows and in what a teacher made of those, in nothing else:
they start from the same weights and draw the same random numbers. So one compiled loop serves the model of all
labels and every fold of it. Folds of a small table learn at the same time: one on each core, or on a card as one more
axis of every array.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from ssgan.errors import ParamsError
from ssgan.learn.fit import committee_of
from ssgan.learn.lessons import Lessons
from ssgan.learn.pace import score_text, scored
from ssgan.learn.plan import Plan, Subset, scattered
from ssgan.learn.prepare import is_labelled
from ssgan.learn.run import EXPLODED, Run, require_finite, task_and_realness
from ssgan.progress import say
from ssgan.records import Split

POOL = 20_000  # unlabelled rows that every fold's model answers, at most
ON_CURVE = ("ssgan", "twin")


@dataclass(frozen=True)
class Answered:
    """What the model of one subset says."""

    task: np.ndarray  # float32 [a, K] or [a, 1]: as the graph's output
    alone: np.ndarray  # the same, of the discriminator where `task` is a committee's
    realness: np.ndarray  # float32 [a, 1]
    pool: np.ndarray  # float32 [p, K] or [p, 1]: task of the rows that every model answers


@dataclass(frozen=True)
class Kept:
    """Answers of subsets that are done, in files: a run that was killed need not repeat them."""

    folder: Path
    run: str  # digest of knobs, data and backend

    def read(self, subset: Subset) -> Answered | None:
        """What was kept of this subset, or None."""
        try:
            with self._path(subset).open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
                return Answered(**{name: stored[name] for name in ("task", "alone", "realness", "pool")})
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):  # there is none, or it was cut off
            return None

    def write(self, subset: Subset, found: Answered) -> None:
        """Keeps the answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self._path(subset).with_suffix(".new")
        with fresh.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **vars(found))
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(self._path(subset))

    def clear(self) -> None:
        """Removes them: the run is over."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, subset: Subset) -> Path:
        key = hashlib.sha256(
            self.run.encode() + subset.learned.tobytes() + np.ascontiguousarray(subset.asked).tobytes()
        )
        return self.folder / f"{key.hexdigest()[:32]}.npz"


def answer(
    run: Run,
    subsets: Sequence[Subset],
    lessons: Lessons | None,
    pool: np.ndarray,
    name: str,
    kept: Kept | None = None,
) -> list[Answered]:
    """Trains a model on each subset and asks it.

    Args:
        run: whose steps are taken; it need not stand at its start, and is somewhere else afterwards. Of the labels that
            a subset leaves out a model knows the scale of values (that of all labelled rows), and nothing else.
        subsets: what each model learns from and is asked.
        lessons: of teachers that have seen a subset's labels alone; None where the run has no teacher.
        pool: encoded rows that every model answers.
        name: of the model, for the lines of progress.
        kept: where answers are kept, and taken from.

    Raises:
        ParamsError: if a loss stops being a number, or explodes.
    """
    found = {place: known for place, each in enumerate(subsets) if kept is not None and (known := kept.read(each))}
    todo = [place for place in range(len(subsets)) if place not in found]
    if todo and run.small:  # on a card the last bits depend on how many learn at once
        todo = list(range(len(subsets)))
    for place in _trained(run, todo, subsets, lessons, name):
        found[place] = _asked(run, subsets[place], lessons, pool)
        if kept is not None:
            kept.write(subsets[place], found[place])
    return [found[place] for place in range(len(subsets))]


def _trained(
    run: Run, todo: Sequence[int], subsets: Sequence[Subset], lessons: Lessons | None, name: str
) -> Iterator[int]:
    """Yields the place of each subset while the run holds the networks that have learned from it."""

    def begin(place: int) -> None:
        learned = subsets[place].learned
        run.begin(learned, None if lessons is None else partial(lessons.of, learned))

    steps = run.knobs.steps
    if len(todo) < 2 or not run.small:
        for place in todo:
            begin(place)
            with _told(f"{name}, {subsets[place].name}", steps) as watch:
                for done in range(0, steps, run.per_call):
                    count = min(run.per_call, steps - done)
                    watch(done + count, run.advance(done, count))
            yield place
        return
    copies = run.copies()
    for place in todo:
        begin(place)
        copies.put()
    with _told(f"{name}, {len(todo)} models of some of the labels at once", steps) as watch:
        if run.taught_from is not None:
            copies.learn(0, run.taught_from, run.per_call, watch)
            for number, place in enumerate(todo):
                copies.take(number)
                run.teach(lessons.of(subsets[place].learned) if lessons is not None else None)
                copies.put(number)
        copies.learn(run.taught_from or 0, steps, run.per_call, watch)
    for number, place in enumerate(todo):
        copies.take(number)
        yield place


@contextmanager
def _told(name: str, steps: int) -> Iterator[Callable[[int, np.ndarray], None]]:
    """Gives what to show the losses to, and says at the end how long it took."""

    def watch(done: int, losses: np.ndarray) -> None:
        if not (np.abs(losses) < EXPLODED).all():
            raise ParamsError(
                f"the losses of {name} must stay finite and below {EXPLODED:.0e}; before step {done} of {steps} "
                "they did not: set a smaller train.learning_rate"
            )

    start = time.perf_counter()
    yield watch
    say(f"train: {name}: {steps} steps in {time.perf_counter() - start:.1f} s")


def _asked(run: Run, subset: Subset, lessons: Lessons | None, pool: np.ndarray) -> Answered:
    network, head = run.nets.average, run.nets.head
    require_finite(network, subset.name)
    alone, realness = task_and_realness(network, head, subset.asked)
    task = alone
    of_pool = task_and_realness(network, head, pool)[0] if len(pool) else np.empty((0, alone.shape[1]), np.float32)
    committee = committee_of(None if lessons is None else lessons.of(subset.learned), run.knobs)
    if committee is not None:
        task = committee.task(alone, subset.asked)
        of_pool = committee.task(of_pool, pool) if len(pool) else of_pool
    return Answered(task, alone, realness, of_pool)


class Rows(Protocol):
    """What a plan reads of the prepared rows; see `train.Rows`."""

    @property
    def split(self) -> Split: ...
    @property
    def x(self) -> np.ndarray: ...
    @property
    def y(self) -> np.ndarray: ...
    @property
    def fold(self) -> np.ndarray: ...


class Folds:
    """What the models of the plan say, model by model, and then as one file."""

    def __init__(self, plan: Plan, rows: Rows) -> None:
        """`plan`: of these rows, which are prepared."""
        self._plan, self._rows, self._pool = plan, rows, _pool(rows.y)
        labels = [round(np.mean([each.learned.sum() for each in step])) for step in plan.curve]
        self._stored: dict[str, np.ndarray] = {
            "fold": rows.fold[is_labelled(rows.y)],
            "pool_rows": self._pool,
            "curve_labels": np.array(labels, int),
        }

    def subsets(self, name: str) -> list[Subset]:
        """What a model of this name is trained on: the folds, and then the points of the curve."""
        folds = self._plan.folds if self._rows.split.method == "crossfit" or name == "ssgan" else ()
        return [*folds, *(each for step in self._plan.curve for each in step if name in ON_CURVE)]

    def add(self, name: str, run: Run, lessons: Lessons | None, kept: Kept) -> None:
        """Trains the models of this name; the arguments are those of `answer`."""
        plan, subsets, x = self._plan, self.subsets(name), self._rows.x
        asked = x[self._pool] if name == "ssgan" else x[:0]
        found = answer(run, subsets, lessons, asked, name, kept)
        curve = sum(len(step) for step in plan.curve) if name in ON_CURVE else 0
        folds, curve_found = found[: len(found) - curve], found[len(found) - curve :]
        if folds:
            self._stored |= _out_of_fold(name, folds, plan.folds, run.knobs.answer == "committee")
            labels, head = run.y[is_labelled(run.y)], run.nets.head
            score = score_text(scored(self._stored[f"{name}_task"], labels, head), head)
            say(f"train: {name}: {score} on {len(labels)} labelled rows, each by a model that had not seen its label")
        if folds and name == "ssgan":
            self._stored["ssgan_pool"] = np.stack([each.pool for each in folds])
        if curve:
            self._stored[f"{name}_curve"] = _curve(curve_found, plan)

    def write(self, path: Path) -> None:
        """Writes what they said."""
        with path.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **self._stored)


def _pool(y: np.ndarray) -> np.ndarray:
    unlabelled = np.flatnonzero(~is_labelled(y))
    return np.sort(np.random.default_rng(0).permutation(unlabelled)[:POOL])


def _out_of_fold(
    name: str, found: Sequence[Answered], folds: Sequence[Subset], committee: bool
) -> dict[str, np.ndarray]:
    places = [each.places for each in folds]
    parts = {"task": [each.task for each in found], "realness": [each.realness for each in found]}
    if committee:
        parts["alone"] = [each.alone for each in found]
    return {f"{name}_{part}": scattered(each, places) for part, each in parts.items()}


def _curve(found: Sequence[Answered], plan: Plan) -> np.ndarray:
    answered = iter(found)
    return np.stack(
        [scattered([next(answered).task for _ in step], [each.places for each in step]) for step in plan.curve]
    )
