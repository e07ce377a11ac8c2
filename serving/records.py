"""The types of requests and answers, made from the contract."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from ssgan.contract import CategoryColumn, Contract, ImageColumn, NumberColumn
from ssgan.errors import DataError
from ssgan.learn.artefact import Artefact, Predictions
from ssgan.learn.encode import decode_image
from ssgan.records import Lineage

IMAGE_TEXT_AT_MOST = 100_000  # characters of base64; a 64x64 PNG needs at most about 17,000


class Answer(BaseModel):
    """What the discriminator says of one record."""

    label: str | None = None
    value: float | None = None
    probabilities: dict[str, float] | None = None
    fake_probability: float
    lineage: dict[str, str]


def record_type(contract: Contract) -> type[BaseModel]:
    """A strict type with one field per feature: unknown fields, text for numbers, NaN and values out of range fail.

    Column names may hold blanks or be Python words, so fields are numbered and the names are their aliases.
    """
    fields: dict[str, Any] = {}
    for number, (name, column) in enumerate(contract.features.items()):
        kind = _field_type(column)
        default = None if column.nullable else ...
        fields[f"column_{number}"] = (kind | None if column.nullable else kind, Field(default, alias=name, title=name))
    config = ConfigDict(extra="forbid", strict=True, title=f"{contract.name} record")
    made: type[BaseModel] = create_model("Record", __config__=config, **fields)
    return made


def answers(artefact: Artefact, lineage: Lineage, records: Sequence[BaseModel]) -> list[Answer]:
    """The answers to records that have passed their type."""
    said = artefact.predict_records([record.model_dump(by_alias=True) for record in records])
    origin = lineage.model_dump()
    classes = artefact.contract.classes
    return [_answer(said, row, classes, origin) for row in range(len(records))]


def _answer(said: Predictions, row: int, classes: Sequence[str], origin: dict[str, str]) -> Answer:
    fake = float(said.fake_probability[row])
    if said.probabilities is None:
        return Answer(value=float(said.answer[row]), fake_probability=fake, lineage=origin)
    shares = dict(zip(classes, said.probabilities[row].tolist(), strict=True))
    return Answer(label=str(said.answer[row]), probabilities=shares, fake_probability=fake, lineage=origin)


def _field_type(column: NumberColumn | CategoryColumn | ImageColumn) -> Any:
    if isinstance(column, NumberColumn):
        whole = 1.0 if column.integer else None  # as a float, so that 63.0 passes for 63
        return Annotated[float, Field(ge=column.min, le=column.max, multiple_of=whole, allow_inf_nan=False)]
    if isinstance(column, CategoryColumn):
        return Literal[column.values]
    return Annotated[str, Field(max_length=IMAGE_TEXT_AT_MOST), AfterValidator(_png_of(column))]


def _png_of(column: ImageColumn) -> Callable[[str], str]:
    def check(text: str) -> str:
        try:
            decode_image(base64.b64decode(text, validate=True), column)
        except (binascii.Error, DataError) as error:
            raise ValueError(f"must be a PNG of {column.width}x{column.height} pixels as base64: {error}") from None
        return text

    return check
