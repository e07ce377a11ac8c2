"""What is trained beside the models that are exported, and what of it is kept: `models/trained/folds.npz`.

    fold            int64 [m]: the fold of each labelled training row, in their order
    <model>_task    float32 [m, width]: outputs for each labelled row by the model of its fold, as the graph's `task`
    <model>_alone   the same of the discriminator, where `task` is a committee's
    <model>_realness  float32 [m, 1]
    pool_rows       int64 [p]: places of unlabelled training rows, by lot
    ssgan_pool      float32 [folds, p, width]: what the model of each fold says of them
    curve_labels    int64 [s]: labelled rows that the models of the curve learned from, the mean over the folds
    <model>_curve   float32 [s, j, width]: their outputs for the rows that judge

With crossfit all models go through the folds, for they are judged by them. With a holdout the SSGAN alone does, to be
calibrated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ssgan.learn.encode import Encoder
from ssgan.learn.fit import taught_by
from ssgan.learn.folds import Answered, Kept, Subset, answer, hidden, nested
from ssgan.learn.heads import Head
from ssgan.learn.knobs import Knobs
from ssgan.learn.prepare import is_labelled
from ssgan.records import Split

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
    @property
    def judged(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Plan:
    """Subsets of the labelled rows: the folds, and for each share of the curve smaller ones."""

    folds: tuple[Subset, ...]
    curve: tuple[tuple[Subset, ...], ...]
    places: tuple[np.ndarray, ...]  # of the rows that each subset of a share answers, among those that judge

    @classmethod
    def of(cls, rows: Rows, shares: Iterable[float], seed: int) -> Plan:
        """The plan for prepared rows.

        Args:
            rows: as `prepare` left them.
            shares: of the labelled rows, each between 0 and 1.
            seed: of the smaller subsets.
        """
        known = is_labelled(rows.y)
        x, labels, fold = rows.x[known], rows.y[known], rows.fold[known]
        count, classes = rows.split.folds, len(np.unique(labels)) if np.issubdtype(labels.dtype, np.integer) else 0
        folds = tuple(Subset(f"fold {each + 1} of {count}", fold != each, x[fold == each]) for each in range(count))
        if rows.split.method == "crossfit":
            bases, places = folds, tuple(np.flatnonzero(fold == each) for each in range(count))
        else:
            bases = (Subset("all", np.ones(len(labels), bool), rows.judged),)
            places = (np.arange(len(rows.judged)),)
        curve = tuple(
            tuple(
                Subset(
                    f"{share:.0%} of the labels, {each.name}",
                    nested(labels, each.learned, share, seed, classes),
                    each.asked,
                )
                for each in bases
            )
            for share in sorted(shares)
        )
        return cls(folds, curve, places)

    def subsets(self, name: str, crossfit: bool) -> list[Subset]:
        """What a model is trained on: first the folds, if it goes through them, then the curve's."""
        folds = self.folds if crossfit or name == "ssgan" else ()
        return [*folds, *(each for step in self.curve for each in step if name in ON_CURVE)]


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
        subsets = plan.subsets(name, crossfit)
        if not subsets:
            continue
        taught = [_lesson(lessons, rows, head, knobs, each.learned) for each in subsets]
        asked = rows.x[pool] if name == "ssgan" else rows.x[:0]
        found = answer(rows.x, rows.y, rows.encoder, head, knobs, subsets, taught, asked, name, kept[name])
        folds = len(plan.folds) if crossfit or name == "ssgan" else 0
        if folds:
            places = [np.flatnonzero(~each.learned) for each in plan.folds]
            stored |= _out_of_fold(name, found[:folds], places, knobs.answer == "committee")
        if name == "ssgan" and folds:
            stored["ssgan_pool"] = np.stack([each.pool for each in found[:folds]])
        if name in ON_CURVE and plan.curve:
            stored[f"{name}_curve"] = _curve(found[folds:], plan)
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


def scattered(parts: Sequence[np.ndarray], places: Sequence[np.ndarray]) -> np.ndarray:
    """Parts [a_i, ...] as one array with each at its places."""
    whole = np.concatenate(list(parts))
    found = np.empty_like(whole)
    found[np.concatenate(list(places))] = whole
    return found
