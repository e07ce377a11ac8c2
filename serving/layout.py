"""Rows of the prediction log as the service hands them over: a matrix of numbers, and words beside it.

To make it is a fraction of the work that JSON or columns of Arrow would be, and whoever reads a thousand of them takes
each column in one step.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np

from ssgan.contract import Contract, NumberColumn
from ssgan.learn.artefact import Predictions

Words = list[str | None]  # of one row after the other: the request's id, then a cell of each column of words


@dataclass(frozen=True)
class Layout:
    """A row: when, numbers asked, and said: probabilities and set, or value, low and high; then P(fake) and unlike."""

    numbers: tuple[str, ...]  # columns of the contract that hold them and are logged
    words: tuple[str, ...]  # columns of categories, and of images as base64
    classes: tuple[str, ...]  # none for values

    @classmethod
    def of(cls, contract: Contract) -> Layout:
        """Of the columns that the contract lets be logged."""
        kept = {name: each for name, each in contract.features.items() if name not in contract.log_without}
        numbers = tuple(name for name, each in kept.items() if isinstance(each, NumberColumn))
        return cls(numbers, tuple(name for name in kept if name not in numbers), contract.classes)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return 1 + len(self.numbers) + (2 * len(self.classes) or 3) + 2

    def record(self, at: float, request: str, record: Mapping[str, Any], said: Predictions) -> tuple[bytes, Words]:
        """One record as it was asked, in a third of the time that `columns` would take."""
        numbers = [at, *map(record.get, self.numbers)]
        if None in numbers:
            numbers = [math.nan if cell is None else cell for cell in numbers]
        for part in self._told(said):
            numbers += self._unknown if part is None else part.ravel().tolist()
        numbers += said.fake_probability.item(0), said.unlike.item(0)
        return self._row.pack(*numbers), [request, *map(record.get, self.words)]

    def columns(
        self, at: float, request: str, columns: Mapping[str, np.ndarray], said: Predictions
    ) -> tuple[bytes, Words]:
        """Rows as raw columns, as `Encoder.encode_columns` takes them."""
        count = len(said.answer)
        told = (np.tile(self._unknown, (count, 1)) if part is None else part for part in self._told(said))
        parts = [np.full(count, at), *(columns[name] for name in self.numbers), *told]
        parts += [said.fake_probability, said.unlike]
        words = zip(repeat(request, count), *(map(_text, columns[name]) for name in self.words), strict=True)
        return np.column_stack(parts).astype(np.float64).tobytes(), [word for row in words for word in row]

    @cached_property
    def _row(self) -> struct.Struct:
        return struct.Struct(f"{self.width}d")

    @cached_property
    def _unknown(self) -> list[float]:
        return [math.nan] * (len(self.classes) or 1)

    def _told(self, said: Predictions) -> tuple[np.ndarray | None, ...]:
        return (said.probabilities, said.sets) if self.classes else (said.answer, said.low, said.high)

    def said(self, rows: np.ndarray) -> Predictions:
        """What was said, from rows of numbers."""
        place, classes = 1 + len(self.numbers), len(self.classes)
        fake, unlike = rows[:, -2], rows[:, -1] == 1.0
        if not classes:
            value, low, high = rows[:, place], rows[:, place + 1], rows[:, place + 2]
            known = len(rows) > 0 and not np.isnan(low[0])  # of one model all rows have an interval, or none
            return Predictions(value, None, fake, unlike, low=low if known else None, high=high if known else None)
        shares, held = rows[:, place : place + classes], rows[:, place + classes : place + 2 * classes]
        known = len(rows) > 0 and not np.isnan(held[0, 0])
        answer = np.asarray(self.classes)[shares.argmax(axis=1)]
        return Predictions(answer, shares, fake, unlike, sets=held == 1.0 if known else None)


def _text(cell: object) -> str | None:
    return base64.b64encode(cell).decode() if isinstance(cell, bytes) else None if cell is None else str(cell)
