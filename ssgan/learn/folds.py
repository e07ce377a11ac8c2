"""Labelled rows answered by models that had not seen them: how little is wasted where labels are few.

The labelled rows are divided into folds; for each, a model learns from the others and from every unlabelled row, and
answers the fold's rows. The models differ in their labelled rows and in what a teacher made of those, in nothing else:
they start from the same weights and draw the same random numbers. So one compiled step serves all of them in turn, or,
where the backend can, all of them at once.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ssgan.errors import ParamsError
from ssgan.learn import backend
from ssgan.learn.encode import Encoder
from ssgan.learn.fit import EXPLODED, Run, answers, committee_of, precision, taught_by
from ssgan.learn.heads import Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.plan import Plan, Subset, hidden, scattered
from ssgan.learn.prepare import is_labelled
from ssgan.progress import say
from ssgan.records import Split


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
        path = self._path(subset)
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return Answered(**{name: stored[name] for name in ("task", "alone", "realness", "pool")})

    def write(self, subset: Subset, found: Answered) -> None:
        """Keeps the answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self._path(subset).with_suffix(".new")
        with fresh.open("wb") as handle:
            np.savez(handle, allow_pickle=False, **vars(found))
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
    x: np.ndarray,
    y: np.ndarray,
    encoder: Encoder,
    head: Head,
    knobs: Knobs,
    subsets: Sequence[Subset],
    lessons: Sequence[np.ndarray | None],
    pool: np.ndarray,
    name: str,
    kept: Kept | None = None,
) -> list[Answered]:
    """Trains a model on each subset and asks it.

    Args:
        x: encoded training rows.
        y: their labels.
        encoder: that made x.
        head: of the task; a value's scale is that of all labelled rows, nothing else of theirs is known to a model.
        knobs: resolved, the same for every subset.
        subsets: what each model learns from and is asked.
        lessons: for each subset what a teacher says of all rows that has seen its labels alone; see `fit.taught_by`.
        pool: encoded rows that every model answers.
        name: of the model, for the lines of progress.
        kept: where answers are kept, and taken from.

    Raises:
        ParamsError: if a loss stops being a number, or explodes.
    """
    found = {place: known for place, each in enumerate(subsets) if kept is not None and (known := kept.read(each))}
    todo = [place for place in range(len(subsets)) if place not in found]
    if todo:
        with precision(knobs.precision):
            run = Run(x, y, encoder, head, knobs, lessons[todo[0]])
        try:
            for place in _trained(run, knobs, todo, subsets, lessons, name):
                found[place] = _asked(run, x, y, knobs, subsets[place], pool)
                if kept is not None:
                    kept.write(subsets[place], found[place])
        finally:
            run.close()
    return [found[place] for place in range(len(subsets))]


def _trained(
    run: Run,
    knobs: Knobs,
    todo: Sequence[int],
    subsets: Sequence[Subset],
    lessons: Sequence[np.ndarray | None],
    name: str,
) -> Iterator[int]:
    """Yields the place of each subset while the run holds the networks that have learned from it."""
    if backend.Copies is None or len(todo) == 1 or not run.small:
        for place in todo:
            run.begin(subsets[place].learned, lessons[place])
            _learn(run.advance, run.per_call, knobs, f"{name}, {subsets[place].name}")
            yield place
        return
    copies = run.copies(len(todo))
    for place in todo:
        run.begin(subsets[place].learned, lessons[place])
        copies.put()
    _learn(copies.advance, run.per_call, knobs, f"{name}, {len(todo)} folds at once")
    for number, place in enumerate(todo):
        copies.take(number)
        yield place


def _learn(advance: Callable[[int, int], np.ndarray], per_call: int, knobs: Knobs, name: str) -> None:
    start = time.perf_counter()
    for done in range(0, knobs.steps, per_call):
        losses = advance(done, min(per_call, knobs.steps - done))
        if not (np.abs(losses) < EXPLODED).all():
            raise ParamsError(
                f"the losses of {name} must stay finite and below {EXPLODED:.0e}; about step {done} of {knobs.steps} "
                "they did not: set a smaller train.learning_rate"
            )
    pace = knobs.steps / max(time.perf_counter() - start, 1e-9)
    say(f"train: {name}: {knobs.steps} steps at {pace:.0f} steps/s")


def _asked(run: Run, x: np.ndarray, y: np.ndarray, knobs: Knobs, subset: Subset, pool: np.ndarray) -> Answered:
    network, head = run.nets.average, run.nets.head
    alone, realness = answers(network, head, subset.asked)
    task = alone
    of_pool = answers(network, head, pool)[0] if len(pool) else np.empty((0, alone.shape[1]), np.float32)
    committee = committee_of(x, hidden(y, subset.learned), head, knobs)
    if committee is not None:
        task = committee.task(alone, subset.asked)
        of_pool = committee.task(of_pool, pool) if len(pool) else of_pool
    return Answered(task, alone, realness, of_pool)


POOL = 20_000  # unlabelled rows that every fold's model answers, at most
ON_CURVE = ("ssgan", "twin")


class Rows(Protocol):
    """What a plan reads of the prepared rows; see `train.Rows`."""

    @property
    def split(self) -> Split: ...
    @property
    def encoder(self) -> Encoder: ...
    @property
    def x(self) -> np.ndarray: ...
    @property
    def y(self) -> np.ndarray: ...
    @property
    def fold(self) -> np.ndarray: ...


def write_folds(
    path: Path, plan: Plan, rows: Rows, head: Head, models: Mapping[str, Knobs], kept: Mapping[str, Kept]
) -> None:
    """Trains all models of the plan, and writes what they say.

    Args:
        path: of the file.
        plan: of these rows.
        rows: prepared.
        head: of the task.
        models: knobs by name.
        kept: by name of the model, where answers are kept while others are still computed.
    """
    known, crossfit = is_labelled(rows.y), rows.split.method == "crossfit"
    pool = _pool(rows.y)
    stored: dict[str, np.ndarray] = {"fold": rows.fold[known], "pool_rows": pool}
    stored["curve_labels"] = np.array(
        [round(np.mean([each.learned.sum() for each in step])) for step in plan.curve], int
    )
    lessons: dict[bytes, np.ndarray | None] = {}
    for name, knobs in models.items():
        folds = plan.folds if crossfit or name == "ssgan" else ()
        subsets = [*folds, *(each for step in plan.curve for each in step if name in ON_CURVE)]
        if not subsets:
            continue
        taught = [_lesson(lessons, rows, head, knobs, each.learned) for each in subsets]
        asked = rows.x[pool] if name == "ssgan" else rows.x[:0]
        found = answer(rows.x, rows.y, rows.encoder, head, knobs, subsets, taught, asked, name, kept[name])
        if folds:
            places = [np.flatnonzero(~each.learned) for each in plan.folds]
            stored |= _out_of_fold(name, found[: len(folds)], places, knobs.answer == "committee")
        if name == "ssgan" and folds:
            stored["ssgan_pool"] = np.stack([each.pool for each in found[: len(folds)]])
        if name in ON_CURVE and plan.curve:
            stored[f"{name}_curve"] = _curve(found[len(folds) :], plan)
    with path.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **stored)


def _pool(y: np.ndarray) -> np.ndarray:
    unlabelled = np.flatnonzero(~is_labelled(y))
    return np.sort(np.random.default_rng(0).permutation(unlabelled)[:POOL])


def _lesson(
    known: dict[bytes, np.ndarray | None], rows: Rows, head: Head, knobs: Knobs, learned: np.ndarray
) -> np.ndarray | None:
    """A teacher's, once for all models that it teaches."""
    if not knobs.teacher_weight:
        return None
    key = learned.tobytes()
    if key not in known:
        known[key] = taught_by(rows.x, hidden(rows.y, learned), head, knobs)
    return known[key]


def _out_of_fold(
    name: str, found: Sequence[Answered], places: Sequence[np.ndarray], committee: bool
) -> dict[str, np.ndarray]:
    parts = {"task": [each.task for each in found], "realness": [each.realness for each in found]}
    if committee:
        parts["alone"] = [each.alone for each in found]
    return {f"{name}_{part}": scattered(each, places) for part, each in parts.items()}


def _curve(found: Sequence[Answered], plan: Plan) -> np.ndarray:
    width = len(plan.places)
    steps = [found[at : at + width] for at in range(0, len(found), width)]
    return np.stack([scattered([each.task for each in step], plan.places) for step in steps])
