"""Rows of the prediction log as the service hands them over: records of fixed size, and words beside them.

To make one is a fraction of the work that JSON or columns of Arrow would be, and whoever reads a thousand of them takes
each column in one step.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from operator import itemgetter
from typing import Any

import numpy as np

from ssgan.contract import Contract, NumberColumn
from ssgan.learn.artefact import Predictions

Words = list[str | None]  # of one row after the other: the request's id, then a cell of each column of words
UNKNOWN = 255  # in the place of a set's 0 or 1


@dataclass(frozen=True)
class Layout:
    """What a row holds, and in which order."""

    numbers: tuple[str, ...]  # columns of the contract that hold them and are logged
    words: tuple[str, ...]  # columns of categories, and of images as base64
    classes: tuple[str, ...]  # none for values
    ranged: tuple[str, ...]  # columns that have a range or words, or looks of images, and are logged
    places: tuple[int, ...] | None  # of those among all that have; None: all are logged

    @classmethod
    def of(cls, contract: Contract, ranged: Sequence[str]) -> Layout:
        """Of the columns that the contract lets be logged.

        Args:
            contract: of the model.
            ranged: the columns that `Predictions.outside` speaks of.
        """
        kept = {name: each for name, each in contract.features.items() if contract.is_logged(name)}
        numbers = tuple(name for name, each in kept.items() if isinstance(each, NumberColumn))
        words = tuple(name for name in kept if name not in numbers)
        places = tuple(place for place, name in enumerate(ranged) if contract.is_logged(name))
        told = tuple(ranged[place] for place in places)
        return cls(numbers, words, contract.classes, told, None if len(told) == len(ranged) else places)

    @cached_property
    def row(self) -> np.dtype[np.void]:
        """One row: when, the numbers that were asked, and what was said in the bytes that numpy has for it."""
        classes, number = len(self.classes), np.dtype(np.float64)
        parts: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = [
            ("at", number, ()),
            ("asked", number, (len(self.numbers),)),
        ]
        if classes:
            parts += [("probabilities", number, (classes,)), ("sets", np.dtype(np.uint8), (classes,))]
        else:
            parts += [(name, number, ()) for name in ("answer", "low", "high")]
        parts += [("fake_probability", number, ()), ("unlike", np.dtype(np.bool_), ())]
        return np.dtype([*parts, ("outside", np.dtype(np.bool_), (len(self.ranged),))])

    def record(self, at: float, request: str, record: Mapping[str, Any], said: Predictions) -> tuple[bytes, Words]:
        """One record as it was asked, in a twentieth of the time that `columns` would take."""
        try:
            asked = self._asked.pack(*self._cells(record))
        except (KeyError, struct.error):  # a missing value
            cells = map(record.get, self.numbers)
            asked = self._asked.pack(*(math.nan if cell is None else cell for cell in cells))
        outside = self._inside if said.outside is None else self._outside(said.outside).tobytes()
        fake, unlike = said.fake_probability.tobytes(), said.unlike.tobytes()
        row = b"".join((_NUMBER.pack(at), asked, *self._answer(said), fake, unlike, outside))
        return row, [request, *map(record.get, self.words)] if self.words else [request]

    def columns(
        self, at: float, request: str, columns: Mapping[str, np.ndarray], said: Predictions
    ) -> tuple[bytes, Words]:
        """Rows as raw columns, as `Encoder.encode_columns` takes them."""
        count = len(said.answer)
        rows = np.zeros(count, self.row)
        rows["at"] = at
        for place, name in enumerate(self.numbers):
            rows["asked"][:, place] = columns[name]
        for name in self.row.names or ():
            if name not in ("at", "asked", "outside"):
                told = getattr(said, name)
                rows[name] = self._absent(name) if told is None else told
        if said.outside is not None:
            rows["outside"] = self._outside(said.outside)
        words = zip(repeat(request, count), *(map(_text, columns[name]) for name in self.words), strict=True)
        return rows.tobytes(), [word for row in words for word in row]

    def said(self, rows: np.ndarray) -> Predictions:
        """What was said, from rows [n] of this layout; of one model all rows have a set or an interval, or none."""
        told = {name: np.ascontiguousarray(rows[name]) for name in self.row.names or ()}
        fake, unlike = told["fake_probability"], told["unlike"]
        outside = told["outside"] if told["outside"].any() else None
        if not self.classes:
            known = len(rows) > 0 and not np.isnan(told["low"][0])
            low, high = (told["low"], told["high"]) if known else (None, None)
            return Predictions(told["answer"], None, fake, unlike, low=low, high=high, outside=outside)
        known = len(rows) > 0 and told["sets"][0, 0] != UNKNOWN
        shares, sets = told["probabilities"], told["sets"] == 1 if known else None
        answer = np.asarray(self.classes)[shares.argmax(axis=1)]
        return Predictions(answer, shares, fake, unlike, sets, outside=outside)

    def _answer(self, said: Predictions) -> tuple[bytes, bytes] | tuple[bytes, bytes, bytes]:
        if said.probabilities is not None:
            sets = self._no_set if said.sets is None else said.sets.tobytes()
            return said.probabilities.tobytes(), sets
        if said.low is None or said.high is None:
            return said.answer.tobytes(), _NAN, _NAN
        return said.answer.tobytes(), said.low.tobytes(), said.high.tobytes()

    def _outside(self, cells: np.ndarray) -> np.ndarray:
        return cells if self.places is None else cells[:, self.places]

    @staticmethod
    def _absent(name: str) -> float:
        return UNKNOWN if name == "sets" else math.nan

    @cached_property
    def _asked(self) -> struct.Struct:
        return struct.Struct(f"={len(self.numbers)}d")

    @cached_property
    def _cells(self) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
        return itemgetter(*self.numbers) if len(self.numbers) > 1 else lambda record: map(record.get, self.numbers)

    @cached_property
    def _no_set(self) -> bytes:
        return bytes([UNKNOWN]) * len(self.classes)

    @cached_property
    def _inside(self) -> bytes:
        return bytes(len(self.ranged))


_NUMBER = struct.Struct("=d")
_NAN = _NUMBER.pack(math.nan)


def _text(cell: object) -> str | None:
    return base64.b64encode(cell).decode() if isinstance(cell, bytes) else None if cell is None else str(cell)
