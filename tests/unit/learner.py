"""Small data for the learner's tests: what a contract, an encoder and labels look like for each task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ssgan.config import TrainParams
from ssgan.contract import Contract
from ssgan.learn.encode import Encoder

if TYPE_CHECKING:
    from ssgan.learn.fit import Fitted


@dataclass(frozen=True)
class Case:
    """One task, encoded: `truth` has every label, `y` only some."""

    contract: Contract
    encoder: Encoder
    x: np.ndarray
    y: np.ndarray
    truth: np.ndarray


def classes(rows: int = 300, labelled: int = 3) -> Case:
    """Two moons-like arcs with a category that belongs to a number, and gaps; `labelled` rows of each class."""
    rng = np.random.default_rng(0)
    truth = np.arange(rows) % 2
    angle = rng.uniform(0, np.pi, rows)
    a = np.where(truth, 1 - np.cos(angle), np.cos(angle)) + rng.normal(0, 0.08, rows)
    b = np.where(truth, 0.3 - np.sin(angle), np.sin(angle)) + rng.normal(0, 0.08, rows)
    word = np.array(["left", "right", "far"], object)[np.digitize(a, [0, 1])]
    columns = {"a": a, "b": np.where(rng.random(rows) < 0.05, np.nan, b), "word": word}
    described = {
        "a": {"type": "number"},
        "b": {"type": "number", "nullable": True},
        "word": {"type": "category", "values": ["left", "right", "far"]},
    }
    y = np.full(rows, -1)
    for each in (0, 1):
        y[np.flatnonzero(truth == each)[:labelled]] = each
    return _case("classification", {"column": "y", "classes": ["up", "down"]}, described, columns, y, truth)


def values(rows: int = 300, labelled: int = 40) -> Case:
    """A plane with a little noise."""
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=rows) for name in "abc"}
    truth = 50 + 10 * columns["a"] - 5 * columns["b"] + rng.normal(size=rows)
    y = np.where(np.arange(rows) < labelled, truth, np.nan)
    return _case("regression", {"column": "y"}, {name: {"type": "number"} for name in "abc"}, columns, y, truth)


def images(height: int = 8, width: int = 8, channels: int = 1, rows: int = 60) -> Case:
    """A bright upper or lower half."""
    rng = np.random.default_rng(0)
    truth = np.arange(rows) % 2
    x = rng.normal(-0.5, 0.2, (rows, height, width, channels)).astype(np.float32)
    x[truth == 0, : height // 2] += 1
    x[truth == 1, height // 2 :] += 1
    described = {"picture": {"type": "image", "height": height, "width": width, "channels": channels}}
    contract = _contract("classification", {"column": "y", "classes": ["up", "down"]}, described)
    return Case(contract, Encoder.fit({}, contract), x.clip(-1, 1), np.where(np.arange(rows) < 8, truth, -1), truth)


def fit(case: Case, y: np.ndarray | None = None, more: dict[str, Any] | None = None, **knobs: object) -> Fitted:
    """A small, short run, of classes without a teacher; `more` goes to `fit_discriminator`."""
    from ssgan.learn.fit import fit_discriminator
    from ssgan.learn.heads import head_for
    from ssgan.learn.knobs import resolve

    y = case.y if y is None else y
    alone = {"teacher_weight": 0.0} if case.contract.task == "classification" else {}
    given = TrainParams.model_validate({"steps": 60, "hidden": (32, 32), **alone, **knobs})
    resolved = resolve(given, case.contract)
    head = head_for(case.contract, y, resolved.head)
    return fit_discriminator(case.x, y, case.encoder, head, resolved, "test", **(more or {}))


def _contract(task: str, label: dict[str, object], described: dict[str, dict[str, object]]) -> Contract:
    return Contract.model_validate({"name": "small", "task": task, "label": label, "columns": described})


def _case(
    task: str,
    label: dict[str, object],
    described: dict[str, dict[str, object]],
    columns: dict[str, np.ndarray],
    y: np.ndarray,
    truth: np.ndarray,
) -> Case:
    contract = _contract(task, label, described)
    encoder = Encoder.fit(columns, contract)
    return Case(contract, encoder, encoder.encode_columns(columns), y, truth)
