"""Rows become numbers. Training, evaluation and the service all run this one encoder: numpy, its state plain JSON.

Layout of an encoded table row: first the value of every numeric column, then a missing flag for every numeric column
that may be empty, then one block of slots per category column. All of them are in the order of the contract.
"""

from __future__ import annotations

import base64
import io
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ssgan.contract import CategoryColumn, Contract, ImageColumn, NumberColumn
from ssgan.errors import DataError

KNOTS = 256  # of the map from a column's values to normal scores
CLIP = 3.0  # normal scores beyond it hold less than 0.3 % of the rows
BINS = 8  # per numeric column; 16 were worse with ten labels per class


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str


class NumberPart(_Part):
    """A numeric column: value -> score of a standard normal with the same rank, by `knots` (values) and `scores`."""

    kind: Literal["number"] = "number"
    nullable: bool
    knots: tuple[float, ...]
    scores: tuple[float, ...]
    edges: tuple[float, ...]  # of the piecewise-linear bins, in encoded units

    @classmethod
    def fit(cls, name: str, column: NumberColumn, values: np.ndarray) -> Self:
        """Knots at the ranks of all training values; a constant column has one knot and encodes to 0."""
        present = np.sort(values[~np.isnan(values)])
        knots = np.unique(present)
        if len(knots) > KNOTS:
            knots = np.unique(present[np.linspace(0, len(present) - 1, KNOTS).round().astype(np.int64)])
        # Mid-ranks give values that occur often the middle of the ranks they hold.
        ranks = np.searchsorted(present, knots, "left") + np.searchsorted(present, knots, "right")
        normal = statistics.NormalDist()
        scores = [min(CLIP, max(-CLIP, normal.inv_cdf(rank / (2 * len(present))))) for rank in ranks.tolist()]
        part = cls(name=name, nullable=column.nullable, knots=tuple(knots.tolist()), scores=tuple(scores), edges=())
        quantiles = np.quantile(part.encode(values), np.linspace(0, 1, BINS + 1))
        return part.model_copy(update={"edges": tuple(np.unique(quantiles.astype(np.float32)).tolist())})

    @cached_property
    def _map(self) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(self.knots, np.float64), np.asarray(self.scores, np.float64)

    def encode(self, values: np.ndarray) -> np.ndarray:
        """float64 [n], NaN = missing -> float64 [n] within +-CLIP; missing -> 0, the median."""
        if not self.knots:
            return np.zeros(len(values))
        scores: np.ndarray = np.interp(values, *self._map)
        scores[np.isnan(scores)] = 0.0
        return scores

    def read(self, cells: Iterable[object]) -> np.ndarray:
        """The column as float64 from the cells of records."""
        return np.array([_number(cell, self.name) for cell in cells], np.float64)


class CategoryPart(_Part):
    """A category column: one slot per word of the contract, one for missing if allowed; an unseen word fills none."""

    kind: Literal["category"] = "category"
    nullable: bool
    values: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.values) + self.nullable

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the encoded features."""
        return tuple(f"{self.name}={value}" for value in (*self.values, *(["missing"] if self.nullable else [])))

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {value: code for code, value in enumerate(self.values)}

    def encode(self, values: np.ndarray, slots: np.ndarray) -> None:
        """object [n] -> one-hot, written into slots [n, width], which are 0."""
        missing = len(self.values) if self.nullable else -1
        codes = np.array([missing if _is_missing(v) else self._codes.get(str(v), -1) for v in values], np.int64)
        known = np.flatnonzero(codes >= 0)
        slots[known, codes[known]] = 1.0

    def read(self, cells: Iterable[object]) -> np.ndarray:
        """The column as objects from the cells of records."""
        return _objects(cells)


class ImagePart(_Part):
    """An image column: PNG -> float32 [height, width, channels] in [-1, 1]."""

    kind: Literal["image"] = "image"
    height: int
    width: int
    channels: int

    def encode(self, values: np.ndarray) -> np.ndarray:
        """object [n] of PNG bytes, or their base64 text -> float32 [n, height, width, channels]."""
        pixels = np.empty((len(values), self.height, self.width, self.channels), np.float32)
        for row, value in enumerate(values):
            pixels[row] = decode_image(_png(value, self.name), self)
        return pixels / np.float32(127.5) - np.float32(1.0)

    def read(self, cells: Iterable[object]) -> np.ndarray:
        """The column as objects from the cells of records."""
        return _objects(cells)


Part = Annotated[NumberPart | CategoryPart | ImagePart, Field(discriminator="kind")]


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
        return cls(parts=tuple(_fit_part(name, each, columns) for name, each in contract.features.items()))

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
        return self.encode_columns({part.name: part.read([r.get(part.name) for r in records]) for part in self.parts})

    def to_json(self) -> str:
        """The whole state; numbers come back exactly."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Reads what `to_json` wrote."""
        return cls.model_validate_json(text)


def decode_image(png: bytes, column: ImageColumn | ImagePart) -> np.ndarray:
    """PNG bytes -> grey or colour values, float32 [height, width, channels], 0 .. 255.

    Raises:
        DataError: if it is not a PNG of the column's size.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            if image.size != (column.width, column.height):  # before any pixel is decoded
                wanted = f"{column.width}x{column.height}"
                raise DataError(f"an image must be {wanted} pixels; it is {image.width}x{image.height}: resize it")
            if image.mode != {1: "L", 3: "RGB"}[column.channels]:
                wanted = "8-bit grey" if column.channels == 1 else "8-bit RGB"
                raise DataError(f"an image must be {wanted}; its mode is {image.mode}: convert it")
            pixels = np.asarray(image, np.float32)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise DataError("an image must be a PNG; what was sent cannot be read as one: save it as PNG") from None
    return pixels.reshape(column.height, column.width, column.channels)


def _fit_part(
    name: str, column: NumberColumn | CategoryColumn | ImageColumn, columns: Mapping[str, np.ndarray]
) -> NumberPart | CategoryPart | ImagePart:
    match column:
        case NumberColumn():
            return NumberPart.fit(name, column, np.asarray(columns[name], np.float64))
        case CategoryColumn():
            return CategoryPart(name=name, nullable=column.nullable, values=column.values)
        case ImageColumn():
            return ImagePart(name=name, height=column.height, width=column.width, channels=column.channels)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(cell: object, name: str) -> float:
    if cell is None:
        return math.nan
    if isinstance(cell, (int, float, np.integer, np.floating)) and not isinstance(cell, bool):
        return float(cell)
    raise DataError(f"column {name!r} must be a number; it is {str(cell)[:40]!r}: send a number, or null if unknown")


def _objects(cells: Iterable[object]) -> np.ndarray:
    cells = list(cells)
    column = np.empty(len(cells), object)
    column[:] = cells
    return column


def _png(value: object, name: str) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:
            raise DataError(f"image {name!r} must be PNG bytes as base64 text; the text is not base64") from None
    raise DataError(f"image {name!r} must be PNG bytes or their base64 text; it is {type(value).__name__}")
