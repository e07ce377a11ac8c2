"""Rows become numbers. Training, evaluation and the service all run this one encoder: numpy, its state plain JSON.

Layout of an encoded table row: first the value of every numeric column, then a missing flag for every numeric column
that may be empty, then one block of slots per category column. All of them are in the order of the contract.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from ssgan.contract import CategoryColumn, Contract, ImageColumn, NumberColumn
from ssgan.errors import DataError
from ssgan.learn.parts import (
    CLIP,
    EDGES,
    KNOTS,
    RARE_ROWS,
    SLOTS,
    CategoryPart,
    ImagePart,
    NumberPart,
    Part,
    decode_image,
)

__all__ = [
    "CLIP",
    "EDGES",
    "KNOTS",
    "RARE_ROWS",
    "SLOTS",
    "CategoryPart",
    "Encoder",
    "ImagePart",
    "NumberPart",
    "decode_image",
]

KNOTS_IN_ALL, KNOTS_AT_LEAST = 2**18, 32  # with thousands of columns each has fewer: the state stays below 15 MB


class Encoder(BaseModel):
    """Turns raw columns, or single records, into the matrix that the networks see.

    Fitted on training rows alone, labelled or not. Both paths give the same bits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[Part, ...]  # one per feature column, in the contract's order

    @classmethod
    def fit(cls, columns: Mapping[str, np.ndarray], contract: Contract) -> Self:
        """Fits on raw columns.

        Args:
            columns: per feature column float64 [n] (NaN missing) for numbers, object [n] (None missing) for categories.
            contract: names the feature columns and their types.
        """
        numbers = sum(isinstance(each, NumberColumn) for each in contract.features.values())
        most = max(KNOTS_AT_LEAST, min(KNOTS, KNOTS_IN_ALL // max(numbers, 1)))
        about = columns, most, EDGES[contract.task]
        return cls(parts=tuple(_fit_part(name, each, *about) for name, each in contract.features.items()))

    @cached_property
    def numbers(self) -> tuple[NumberPart, ...]:
        """Numeric columns: encoded feature i is the value of numbers[i]."""
        return tuple(part for part in self.parts if isinstance(part, NumberPart))

    @cached_property
    def flags(self) -> tuple[int, ...]:
        """Places in `numbers` that have a missing flag; the flags come after all the values."""
        return tuple(place for place, part in enumerate(self.numbers) if part.nullable)

    @cached_property
    def categories(self) -> tuple[CategoryPart, ...]:
        """Category columns: their slots come last."""
        return tuple(part for part in self.parts if isinstance(part, CategoryPart))

    @cached_property
    def image(self) -> ImagePart | None:
        """The image column, where rows are images."""
        return next((part for part in self.parts if isinstance(part, ImagePart)), None)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one encoded row: (F,) or (height, width, channels)."""
        if self.image is not None:
            return self.image.height, self.image.width, self.image.channels
        return (len(self.numbers) + len(self.flags) + sum(part.width for part in self.categories),)

    @property
    def width(self) -> int:
        """Numbers in one encoded row."""
        return math.prod(self.shape)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One per encoded feature of a table; the column's name for an image."""
        if self.image is not None:
            return (self.image.name,)
        values = [part.name for part in self.numbers]
        flags = [f"{values[place]}=missing" for place in self.flags]
        return (*values, *flags, *(slot for part in self.categories for slot in part.slots))

    @property
    def groups(self) -> tuple[int, ...]:
        """Per encoded feature of a table, the column it comes from: what shuffled-column fakes draw as one."""
        order = {part.name: place for place, part in enumerate(self.parts)}
        values = [order[part.name] for part in self.numbers]
        slots = [order[part.name] for part in self.categories for _ in range(part.width)]
        return (*values, *(values[place] for place in self.flags), *slots)

    def encode_columns(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Raw columns, as in `fit` -> float32 [n, F] or [n, height, width, channels].

        Raises:
            DataError: if a column is absent, or an image cannot be read.
        """
        for part in self.parts:
            if part.name not in columns:
                raise DataError(f"column {part.name!r} is missing; the model needs {len(self.parts)} columns: add it")
        if self.image is not None:
            return self.image.encode(columns[self.image.name])
        encoded = np.zeros((len(columns[self.parts[0].name]), self.width), np.float32)
        for at, number in enumerate(self.numbers):
            encoded[:, at] = number.encode(np.asarray(columns[number.name], np.float64))
        at = len(self.numbers)
        for place in self.flags:
            encoded[:, at] = np.isnan(np.asarray(columns[self.numbers[place].name], np.float64))
            at += 1
        for category in self.categories:
            category.encode(columns[category.name], encoded[:, at : at + category.width])
            at += category.width
        return encoded

    def encode_records(self, records: Sequence[Mapping[str, object]]) -> np.ndarray:
        """Single rows -> the same bits as `encode_columns`; an absent key and None are missing.

        Raises:
            DataError: if a number is not one, or an image cannot be read.
        """
        if len(records) == 1 and self.image is None:
            return self._encode_one(records[0])
        return self.encode_columns(self.read_records(records))

    def read_records(self, records: Sequence[Mapping[str, object]]) -> dict[str, np.ndarray]:
        """Single rows -> raw columns as `encode_columns` takes them.

        Raises:
            DataError: if a number is not one.
        """
        names = [part.name for part in self.parts]
        try:  # in most requests every record has every column, and then it takes half the time
            rows = (
                [*map(itemgetter(*names), records)] if len(names) > 1 else [(record[names[0]],) for record in records]
            )
        except KeyError:
            rows = [tuple(map(record.get, names)) for record in records]
        return {
            part.name: part.read(cells)
            for part, cells in zip(self.parts, zip(*rows, strict=True) if rows else [()] * len(names), strict=True)
        }

    def _encode_one(self, record: Mapping[str, object]) -> np.ndarray:
        """One table row without a column of its own for each cell, which costs five times as much."""
        encoded = np.zeros((1, self.width), np.float32)
        row = encoded[0]
        values = [number.cell(record.get(number.name)) for number in self.numbers]
        at = len(values)
        row[:at] = [number.encode_cell(value) for number, value in zip(self.numbers, values, strict=True)]
        for place in self.flags:
            row[at] = math.isnan(values[place])
            at += 1
        for category in self.categories:
            code = category.code(record.get(category.name))
            if code >= 0:
                row[at + code] = 1.0
            at += category.width
        return encoded

    def decode_columns(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The inverse of `encode_columns`: what raw rows look like that encode to x, or nearly.

        Numbers come from between the training values, missing where their flag is above a half; words from the fullest
        slot, "rare" as the most frequent rare word; images as PNG bytes.
        """
        if self.image is not None:
            return {self.image.name: self.image.decode(x)}
        decoded = {number.name: number.decode(x[:, at]) for at, number in enumerate(self.numbers)}
        at = len(self.numbers)
        for place in self.flags:
            decoded[self.numbers[place].name][x[:, at] > 0.5] = np.nan
            at += 1
        for category in self.categories:
            decoded[category.name] = category.decode(x[:, at : at + category.width])
            at += category.width
        return {part.name: decoded[part.name] for part in self.parts}

    def to_json(self) -> str:
        """The whole state; numbers come back exactly."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote."""
        return cls.model_validate_json(text)


def _fit_part(
    name: str,
    column: NumberColumn | CategoryColumn | ImageColumn,
    columns: Mapping[str, np.ndarray],
    most: int,
    bounds: Sequence[float],
) -> NumberPart | CategoryPart | ImagePart:
    match column:
        case NumberColumn():
            return NumberPart.fit(name, column, np.asarray(columns[name], np.float64), most, bounds)
        case CategoryColumn():
            return CategoryPart.fit(name, column, columns[name])
        case ImageColumn():
            return ImagePart(name=name, height=column.height, width=column.width, channels=column.channels)
