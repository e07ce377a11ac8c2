"""The columns of an encoder: a number, a word or an image each know how to become numbers, and back.

A word has a slot of its own if at least `RARE_ROWS` training rows hold it and it is among the column's `SLOTS` most
frequent ones; all other words, seen or not, share the slot "rare", if training rows hold such a word. Without that slot
a word that was never seen fills none.
"""

from __future__ import annotations

import base64
import io
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ssgan.contract import CategoryColumn, ImageColumn, NumberColumn
from ssgan.errors import DataError

KNOTS = 256  # of the map from a column's values to normal scores
CLIP = 3.0  # normal scores beyond it hold less than 0.3 % of the rows
# Ranks that bound the bins of a numeric column. Classes have finer ones in the tails, where trees find thresholds that
# eighths of the rows are too wide for; values are no better for them (docs/objective.md).
EIGHTHS = tuple(eighth / 8 for eighth in range(9))
TAILS = (0.01, 0.03, 0.06, 0.94, 0.97, 0.99)
EDGES = {"classification": tuple(sorted(EIGHTHS + TAILS)), "regression": EIGHTHS}
RARE_ROWS = 5  # a thinner word has too few rows to learn its slot's weights from
SLOTS = 64  # of a category column, at most
RARE, MISSING = "rare", "missing"
APART = 1e-300  # of two knots, at least: the slope between nearer ones would not be a finite number
_PLAIN = frozenset((float, int, type(None)))  # what numpy reads as numbers just as `_number` does


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
    def fit(cls, name: str, column: NumberColumn, values: np.ndarray, most: int, bounds: Sequence[float]) -> Self:
        """At most that many knots at the ranks of all training values; a constant column has one and encodes to 0.

        `bounds`: ranks of the edges.
        """
        present = np.sort(values[~np.isnan(values)])
        knots = present[np.append(True, np.diff(present) != 0)] if len(present) else present
        if len(knots) > most:
            knots = np.unique(present[np.linspace(0, len(present) - 1, most).round().astype(np.int64)])
        knots = knots[np.append(True, np.diff(knots) > APART)] if len(knots) else knots
        # Mid-ranks give values that occur often the middle of the ranks they hold.
        ranks = np.searchsorted(present, knots, "left") + np.searchsorted(present, knots, "right")
        normal = statistics.NormalDist()
        scores = [min(CLIP, max(-CLIP, normal.inv_cdf(rank / (2 * len(present))))) for rank in ranks.tolist()]
        part = cls(name=name, nullable=column.nullable, knots=tuple(knots.tolist()), scores=tuple(scores), edges=())
        quantiles = np.quantile(part.encode(values), bounds)
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

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """The inverse map: [n] -> float64 [n] within the training range; whole where all training values were."""
        if not self.knots:
            return np.full(len(scores), np.nan)
        knots, known = self._map
        distinct, first = np.unique(known, return_index=True)  # beyond +-CLIP several knots share a score
        values: np.ndarray = np.interp(scores, distinct, knots[first])
        return np.round(values) if np.equal(knots, np.round(knots)).all() else values

    def read(self, cells: Iterable[object]) -> np.ndarray:
        """The column as float64 from the cells of records."""
        cells = list(cells)
        if _PLAIN.issuperset(map(type, cells)):
            return np.array(cells, np.float64)  # None becomes NaN
        return np.array([self.cell(cell) for cell in cells], np.float64)

    def cell(self, cell: object) -> float:
        """One cell of a record; NaN is missing."""
        return cell if type(cell) is float else _number(cell, self.name)

    def encode_cell(self, value: float) -> float:
        """The same bits as `encode`."""
        if not self.knots or math.isnan(value):
            return 0.0
        return float(np.interp(value, *self._map))


class CategoryPart(_Part):
    """A category column: slots for frequent words, one for all others, one for missing if allowed."""

    kind: Literal["category"] = "category"
    nullable: bool
    values: tuple[str, ...]  # words with a slot of their own, in the contract's order
    rare: str | None = None  # the most frequent of the words that share a slot; None if no training row holds one

    @classmethod
    def fit(cls, name: str, column: CategoryColumn, values: np.ndarray) -> Self:
        """Counts the words of all training rows."""
        counts = Counter(str(value) for value in values.tolist() if not _is_missing(value))
        frequent = [word for word, count in counts.most_common(SLOTS) if count >= RARE_ROWS]
        thin = [word for word, _ in counts.most_common(len(frequent) + 1)[len(frequent) :]]
        own = frozenset(frequent)
        if not own and not thin:  # every row is missing: one slot, which none fills
            thin = [column.values[0]]
        kept = tuple(word for word in column.values if word in own)
        return cls(name=name, nullable=column.nullable, values=kept, rare=thin[0] if thin else None)

    @property
    def width(self) -> int:
        return len(self.slots)

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Names of the encoded features."""
        shared = [RARE] if self.rare is not None else []
        gaps = [MISSING] if self.nullable else []
        return tuple(f"{self.name}={value}" for value in (*self.values, *shared, *gaps))

    @cached_property
    def _codes(self) -> dict[str | None, int]:
        return {
            **{value: code for code, value in enumerate(self.values)},
            None: self.width - 1 if self.nullable else -1,
        }

    def code(self, value: object) -> int:
        """The slot of a word, -1 for none."""
        if _is_missing(value):
            return self._codes[None]
        return self._codes.get(str(value), -1 if self.rare is None else len(self.values))

    def encode(self, values: np.ndarray, slots: np.ndarray) -> None:
        """object [n] -> one-hot, written into slots [n, width], which are 0."""
        cells = values.tolist()
        try:
            codes = np.array([self._codes.get(cell, -2) for cell in cells], np.int64)
        except TypeError:  # a list, or the like
            codes = np.full(len(cells), -2)
        for row in np.flatnonzero(codes == -2).tolist():
            codes[row] = self.code(cells[row])
        known = np.flatnonzero(codes >= 0)
        slots[known, codes[known]] = 1.0

    def decode(self, slots: np.ndarray) -> np.ndarray:
        """[n, width] -> object [n], the word of the fullest slot; None where that is "missing", or none is filled."""
        words = _objects(
            [*self.values, *([] if self.rare is None else [self.rare]), *([None] if self.nullable else [])]
        )
        found: np.ndarray = words[slots.argmax(axis=1)]
        found[slots.max(axis=1) <= 0] = None
        return found

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

    def pixels(self, x: np.ndarray) -> np.ndarray:
        """Encoded images -> uint8 [n, height, width, channels]."""
        return np.asarray(((x + 1.0) * 127.5).round().clip(0, 255), np.uint8)

    def decode(self, x: np.ndarray) -> np.ndarray:
        """Encoded images -> object [n] of PNG bytes."""
        return _objects(encode_image(each) for each in self.pixels(x))

    def read(self, cells: Iterable[object]) -> np.ndarray:
        """The column as objects from the cells of records."""
        return _objects(cells)


Part = Annotated[NumberPart | CategoryPart | ImagePart, Field(discriminator="kind")]


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


def encode_image(pixels: np.ndarray) -> bytes:
    """uint8 [height, width, channels] -> PNG bytes."""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(target, format="PNG")
    return target.getvalue()


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
