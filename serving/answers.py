"""What the discriminator says of rows, as JSON has it."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic_core import to_json

from serving.model import Model
from ssgan.learn.artefact import Predictions


def answers(model: Model, said: Predictions) -> list[dict[str, Any]]:
    """One object per row: label, probabilities and set, or value and interval; and how unlike the training rows."""
    told = _values(model, said) if said.probabilities is None else _classes(model, said, said.probabilities)
    strange = zip(said.fake_probability.tolist(), said.unlike.tolist(), _outside(model, said), strict=True)
    for row, (fake, unlike, outside) in zip(told, strange, strict=True):
        row["fake_probability"], row["unlike_training_data"], row["outside_training_range"] = fake, unlike, outside
    return told


def _values(model: Model, said: Predictions) -> list[dict[str, Any]]:
    values = said.answer.tolist()
    if said.low is None or said.high is None:
        return [{"value": value, "interval": None, "coverage": None} for value in values]
    coverage, intervals = _coverage(model), zip(said.low.tolist(), said.high.tolist(), strict=True)
    return [
        {"value": value, "interval": [*interval], "coverage": coverage}
        for value, interval in zip(values, intervals, strict=True)
    ]


def _classes(model: Model, said: Predictions, probabilities: np.ndarray) -> list[dict[str, Any]]:
    classes = model.artefact.contract.classes
    told: list[dict[str, Any]] = [
        {
            "label": label,
            "probabilities": dict(zip(classes, shares, strict=True)),
            "prediction_set": None,
            "coverage": None,
        }
        for label, shares in zip(said.answer.tolist(), probabilities.tolist(), strict=True)
    ]
    if said.sets is not None:
        coverage = _coverage(model)
        for row, held in zip(told, said.sets.tolist(), strict=True):
            row["prediction_set"] = [name for name, is_in in zip(classes, held, strict=True) if is_in]
            row["coverage"] = coverage
    return told


def _coverage(model: Model) -> float | None:
    return model.artefact.calibration.coverage or None


def _outside(model: Model, said: Predictions) -> list[list[dict[str, object]]]:
    """Per row the columns, or the looks of an image, outside of what the training rows hold, each with what that is."""
    if said.outside is None:
        return [[]] * len(said.answer)
    ranges, logged = model.artefact.ranges, model.artefact.contract.is_logged  # an end of a range is one record's value
    return [
        [{"field": each.column, "seen": each.seen if logged(each.column) else None} for each in ranges.named(row)]
        for row in said.outside
    ]


def lineage(model: Model, request_id: str) -> dict[str, str]:
    """Where an answer comes from."""
    return {**model.lineage.model_dump(), "request_id": request_id}


def encoded(answer: object) -> bytes:
    """JSON; what is no number in it is null."""
    return to_json(answer, inf_nan_mode="null")
