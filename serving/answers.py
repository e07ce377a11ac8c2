"""What the discriminator says of rows, as JSON has it."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from serving.model import Model
from ssgan.learn.artefact import Predictions


def answers(model: Model, said: Predictions) -> list[dict[str, Any]]:
    """One object per row: label, probabilities and set, or value and interval; and how unlike the training rows."""
    outside = _outside(model, said)
    common = zip(said.fake_probability.tolist(), said.unlike.tolist(), outside, strict=True)
    coverage = model.artefact.calibration.coverage or None
    if said.probabilities is None:
        low, high = (None, None) if said.low is None or said.high is None else (said.low.tolist(), said.high.tolist())
        return [
            {
                "value": value,
                "interval": None if low is None or high is None else [low[row], high[row]],
                "coverage": None if low is None else coverage,
                "fake_probability": fake,
                "unlike_training_data": unlike,
                "outside_training_range": strange,
            }
            for row, (value, (fake, unlike, strange)) in enumerate(zip(said.answer.tolist(), common, strict=True))
        ]
    classes = model.artefact.contract.classes
    sets = None if said.sets is None else said.sets.tolist()
    return [
        {
            "label": label,
            "probabilities": dict(zip(classes, shares, strict=True)),
            "prediction_set": None
            if sets is None
            else [name for name, held in zip(classes, sets[row], strict=True) if held],
            "coverage": None if sets is None else coverage,
            "fake_probability": fake,
            "unlike_training_data": unlike,
            "outside_training_range": strange,
        }
        for row, (label, shares, (fake, unlike, strange)) in enumerate(
            zip(said.answer.tolist(), said.probabilities.tolist(), common, strict=True)
        )
    ]


def _outside(model: Model, said: Predictions) -> list[list[dict[str, object]]]:
    """Per row the columns outside of what the training rows hold, each with what that is."""
    if said.outside is None:
        return [[]] * len(said.answer)
    ranges = model.artefact.ranges
    return [[{"field": each.column, "seen": each.seen} for each in ranges.named(row)] for row in said.outside]


def lineage(model: Model, request_id: str) -> dict[str, str]:
    """Where an answer comes from."""
    return {**model.lineage.model_dump(), "request_id": request_id}


def encoded(answer: object) -> bytes:
    """JSON; what is no number in it is null."""
    return to_json(answer, inf_nan_mode="null")
