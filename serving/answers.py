"""What the discriminator says of rows, as JSON has it."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from serving.model import Model
from ssgan.learn.artefact import Predictions


def answers(model: Model, said: Predictions) -> list[dict[str, Any]]:
    """One object per row: label, probabilities and set, or value and interval; and how unlike the training rows."""
    common = zip(said.fake_probability.tolist(), said.unlike.tolist(), strict=True)
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
            }
            for row, (value, (fake, unlike)) in enumerate(zip(said.answer.tolist(), common, strict=True))
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
        }
        for row, (label, shares, (fake, unlike)) in enumerate(
            zip(said.answer.tolist(), said.probabilities.tolist(), common, strict=True)
        )
    ]


def lineage(model: Model, request_id: str) -> dict[str, str]:
    """Where an answer comes from."""
    return {**model.lineage.model_dump(), "request_id": request_id}


def encoded(answer: object) -> bytes:
    """JSON; what is no number in it is null."""
    return to_json(answer, inf_nan_mode="null")
