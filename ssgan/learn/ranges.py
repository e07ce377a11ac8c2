"""What the training rows hold of each column, and which cells of other rows lie beyond it.

Of images the columns are what can be measured of them (`looks.py`).

The encoder takes a value beyond the training range for the nearest one in it, and a word that was never seen for a rare
one, so the network cannot know such a row for a stranger. The rule here does, before anything is encoded.

A number may lie beyond the training rows' range by `margin` times the distance from their median to that end of it. The
margin is as small as honest rows allow: each training row is held against the rows of all other groups (leave one group
out), and at most a given share of the rows may be flagged so. Only the group with the largest or smallest value can be,
so it takes one look at every column. A heavy tail lies far from the median by itself, so one margin serves all columns.

A word that the contract allows and no training row holds, or a missing value where none is missing, flags a row too,
in columns where honest rows do not bring new words all the time: rows that are alone with theirs, as many as are left
of the same share, say so (Good and Turing's estimate).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssgan.contract import CategoryColumn, Column, NumberColumn
from ssgan.records import ColumnRange, ColumnSeen, Record

RANGES = "ranges.json"  # of `data/prepared`
LEAST_MARGIN = 0.25  # so that a range that is known to the last digit still lets its neighbours in
LEAST_SPREAD = 0.25  # of the whole range: from the median to an end of it, where the median is that end
FURTHEST = sys.float_info.max


class Seen(Record):
    """Every column that has a range or words, and how far training rows lie beyond all those of other groups."""

    columns: tuple[ColumnSeen, ...]
    rows: int
    strains: tuple[tuple[int, float], ...]  # of rows beyond the others: the margin that would let them in

    @classmethod
    def fit(
        cls, columns: Mapping[str, np.ndarray], kinds: Mapping[str, Column], groups: np.ndarray | None = None
    ) -> Seen:
        """Looks at the training rows.

        Args:
            columns: raw, as `Encoder.fit` takes them; or looks of images.
            kinds: of the columns, such as the contract's features.
            groups: names [n] of what rows belong to, such as patients; None: each row to itself.
        """
        rows = len(next(iter(columns.values())))
        places = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
        seen, strains = [], dict[int, float]()
        for name, column in kinds.items():
            if isinstance(column, NumberColumn):
                seen.append(_numbers(name, column, np.asarray(columns[name], np.float64), places, strains))
            elif isinstance(column, CategoryColumn):
                seen.append(_words(name, column, columns[name], places))
        return cls(columns=tuple(seen), rows=rows, strains=tuple(sorted(strains.items())))

    def limits(self, share: float) -> tuple[tuple[ColumnRange, ...], int]:
        """The limits that at most that share of the training rows would break if their groups were left out.

        Args:
            share: of the rows, 0 .. 1.

        Returns:
            One per column, and how many training rows would be flagged.
        """
        allowed = int(self.rows * share)
        flagged, strict = set[int](), set[str]()
        for each in sorted(self.columns, key=lambda column: len(column.alone)):
            if len(flagged.union(each.alone)) <= allowed:
                flagged.update(each.alone)
                strict.add(each.column)
        far = sorted((strain for row, strain in self.strains if row not in flagged), reverse=True)
        left = allowed - len(flagged)
        margin = max(LEAST_MARGIN, far[left] if left < len(far) else 0.0)
        found = tuple(_limited(each, margin, each.column in strict) for each in self.columns)
        return found, len(flagged) + sum(strain > margin for strain in far)


def _numbers(
    name: str, column: NumberColumn, values: np.ndarray, groups: np.ndarray, strains: dict[int, float]
) -> ColumnSeen:
    """Notes the strains of the two groups that hold the ends of the range."""
    known = ~np.isnan(values)
    gaps = ColumnSeen(
        column=name,
        never_missing=column.nullable and bool(known.all()),
        alone=_of_one_group(np.flatnonzero(~known), groups),
    )
    if not known.any() or (low := float(np.nanmin(values))) == (high := float(np.nanmax(values))):
        return gaps  # the encoder makes 0 of any value then: it has no say
    for sign, end in ((-1.0, np.nanargmin(values)), (1.0, np.nanargmax(values))):
        mine = groups == groups[end]
        others = values[known & ~mine]
        if len(others) and (spreads := _spreads(others)) is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                second, spread = (others.min(), spreads[0]) if sign < 0 else (others.max(), spreads[1])
                far = sign * (values - second) / spread
            for row in np.flatnonzero(mine & (far > 0) & np.isfinite(far)).tolist():
                strains[row] = max(float(far[row]), strains.get(row, 0.0))
    return gaps.model_copy(update={"seen": (low, high), "spreads": _spreads(values[known])})


def _spreads(values: np.ndarray) -> tuple[float, float] | None:
    """From the median down and up to the ends of the range, finite; None where there is but one value."""
    low, high, median = float(values.min()), float(values.max()), float(np.median(values))
    least = LEAST_SPREAD * (high - low)
    if not least:
        return None
    return min(max(median - low, least), FURTHEST), min(max(high - median, least), FURTHEST)


def _words(name: str, column: CategoryColumn, values: np.ndarray, groups: np.ndarray) -> ColumnSeen:
    words = [_word(cell) for cell in values.tolist()]
    holders: dict[str | None, int] = {}  # the group that holds a word; -1: there are several
    for word, group in zip(words, groups.tolist(), strict=True):
        if holders.setdefault(word, group) != group:
            holders[word] = -1
    return ColumnSeen(
        column=name,
        unseen=tuple(word for word in column.values if word not in holders),
        never_missing=column.nullable and None not in holders,
        alone=tuple(row for row, word in enumerate(words) if holders[word] >= 0),
    )


def _of_one_group(rows: np.ndarray, groups: np.ndarray) -> tuple[int, ...]:
    """The rows, if they are all of one group."""
    return tuple(rows.tolist()) if len(rows) and (groups[rows] == groups[rows[0]]).all() else ()


def _limited(seen: ColumnSeen, margin: float, strict: bool) -> ColumnRange:
    limits = None
    if seen.seen is not None and seen.spreads is not None:
        (low, high), (below, above) = seen.seen, seen.spreads
        limits = max(low - margin * below, -FURTHEST), min(high + margin * above, FURTHEST)
    unseen, never = (seen.unseen, seen.never_missing) if strict else ((), False)
    return ColumnRange(column=seen.column, seen=seen.seen, limits=limits, unseen=unseen, never_missing=never)


class Ranges:
    """The limits of a calibrated model, held against rows: a column at a time, or one record."""

    def __init__(self, columns: Sequence[ColumnRange]) -> None:
        self.columns = tuple(columns)
        self.names = tuple(each.column for each in columns)
        numbers = [(place, each.column, each.limits) for place, each in enumerate(columns) if each.limits is not None]
        self._numbers = [(place, name, low, high) for place, name, (low, high) in numbers]
        self._limits = [(name, low, high) for _, name, low, high in self._numbers]
        self._words: list[tuple[int, str, set[str | None]]] = [
            (place, each.column, {*each.unseen, None} if each.never_missing else {*each.unseen})
            for place, each in enumerate(columns)
            if each.unseen or each.never_missing
        ]

    def outside(self, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Which cells lie outside, bool [n, C] for raw columns as the encoder takes them; None: none does."""
        found = [(place, (columns[name] < low) | (columns[name] > high)) for place, name, low, high in self._numbers]
        found += [(place, _are_words(columns[name], words)) for place, name, words in self._words]
        found = [(place, far) for place, far in found if far.any()]
        if not found:
            return None
        cells = np.zeros((len(found[0][1]), len(self.columns)), bool)
        for place, far in found:
            cells[:, place] |= far
        return cells

    def outside_record(self, record: Mapping[str, Any]) -> np.ndarray | None:
        """The same for one record, [1, C], in a tenth of the time; an absent key and None are missing."""
        strange = [place for place, name, words in self._words if _word(record.get(name)) in words]
        if not strange and self._is_inside(record):
            return None
        strange += [place for place, name, low, high in self._numbers if _is_far(record, name, low, high)]
        if not strange:
            return None
        cells = np.zeros((1, len(self.columns)), bool)
        cells[0, strange] = True
        return cells

    def named(self, cells: np.ndarray) -> list[ColumnRange]:
        """The columns that lie outside, of bool [C]."""
        return [self.columns[place] for place in np.flatnonzero(cells).tolist()]

    def _is_inside(self, record: Mapping[str, Any]) -> bool:
        """Whether every number is there and within its limits: so it is in nearly every record."""
        try:
            for name, low, high in self._limits:
                if not low <= record[name] <= high:
                    return False
        except (KeyError, TypeError):  # a missing value
            return False
        return True


def _is_far(record: Mapping[str, Any], name: str, low: float, high: float) -> bool:
    value = record.get(name)
    return value is not None and bool(value < low or value > high)  # NaN is neither


def _are_words(values: np.ndarray, words: set[str | None]) -> np.ndarray:
    """bool [n]; of numbers there is no word but None, which is missing."""
    if values.dtype != object:
        return np.asarray(np.isnan(values))
    return np.array([_word(cell) in words for cell in values.tolist()], bool)


def _word(cell: object) -> str | None:
    return None if cell is None or cell != cell else str(cell)  # NaN is no word
