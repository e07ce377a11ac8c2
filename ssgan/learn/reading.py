"""One column of a frame: what kind it is, which the fit finds out, and its cells read as that kind."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from ssgan.errors import InputError
from ssgan.learn.cells import flag_of, is_absent, is_missing, is_number, number_of, word_of

NUMBER, WORD = "number", "word"
FLAG = "flag"  # truth values: words that 0 and 1, and "TRUE", say too
DAYS, SPAN = "days", "span"  # points in time and lengths of time, as numbers of days
FEW = 50  # different whole numbers held as text, up to which they are codes
MOSTLY = 0.9  # share of cells that read as numbers, beyond which the others are probably faults
SHOWN = 5  # cells that a message names
_CODE = re.compile(r"\s*[+-]?0[0-9]")  # such as 007: a number that is written so names something
_TYPES: dict[str, tuple[type, ...]] = {
    FLAG: (bool, np.bool_),
    DAYS: (datetime.date, np.datetime64),
    SPAN: (datetime.timedelta, np.timedelta64),
}
_HELD = {NUMBER: "numbers", DAYS: "dates", SPAN: "lengths of time"}
_CODES = {DAYS: "M", SPAN: "m"}  # of their types, in numpy
_DAY = np.timedelta64(1, "D")


def kind_of(series: pd.Series[Any], tell: Callable[[str], None]) -> str:
    """The kind of a column, by its type, or where that is none by its cells.

    Text is read as numbers if all of it is numbers and they count something: one is not whole, or there are more than
    `FEW`. Few whole numbers held as text are codes, and so is what has a leading zero.

    Args:
        series: the column.
        tell: hears of cells that keep a column from being one of numbers.
    """
    types = pd.api.types
    if types.is_bool_dtype(series):
        return FLAG
    if types.is_numeric_dtype(series):
        return NUMBER
    if types.is_datetime64_any_dtype(series):
        return DAYS
    if types.is_timedelta64_dtype(series):
        return SPAN
    if isinstance(series.dtype, pd.CategoricalDtype):
        return WORD
    return _kind_of_cells(series, tell)


def read(series: pd.Series[Any], kind: str) -> np.ndarray:
    """float64 [n] with NaN for numbers, dates and lengths of time, objects [n] with None for words.

    Raises:
        InputError: if a cell is not of the kind, or infinite.
    """
    if kind in (WORD, FLAG):
        return _words(series, flag_of if kind == FLAG else word_of)
    values, odd = _times(series, kind) if kind in (DAYS, SPAN) else numbers(series)
    if len(odd):
        raise InputError(
            f"column {series.name!r} must hold {_HELD[kind]} as in the fit; {len(odd)} of its {len(series)} cells do "
            f"not, such as {shown(odd)}: mend them, or leave them empty"
        )
    if np.isinf(values).any():
        raise InputError(f"X must be finite or missing; column {series.name!r} holds an infinite number: mend it")
    return values


def numbers(series: pd.Series[Any]) -> tuple[np.ndarray, list[Any]]:
    """A column as numbers, float64 [n] with NaN, and the cells that are none."""
    types = pd.api.types
    if types.is_numeric_dtype(series) and not types.is_complex_dtype(series):  # truth values too
        return series.to_numpy(np.float64, na_value=np.nan), []
    cells = series.astype(object).tolist()
    known = {text: number_of(text) for text in {cell for cell in cells if isinstance(cell, str)}}
    found = [known[cell] if isinstance(cell, str) else number_of(cell) for cell in cells]
    odd = [cell for cell, value in zip(cells, found, strict=True) if value is None]
    return np.array(found, np.float64), odd


def shown(cells: Iterable[Any]) -> str:
    """Some of the different cells, as a message names them."""
    different = list(dict.fromkeys(repr(str(cell)) if isinstance(cell, str) else str(cell) for cell in cells))
    return ", ".join(each[:40] for each in different[:SHOWN])


def _kind_of_cells(series: pd.Series[Any], tell: Callable[[str], None]) -> str:
    cells = [cell for cell in series.astype(object).tolist() if not is_missing(cell)]
    held = set(map(type, cells))
    if not held:
        return WORD
    for kind, types in _TYPES.items():
        if all(issubclass(each, types) for each in held):
            return kind
    return NUMBER if all(map(is_number, cells)) else _kind_of_text(series, tell)


def _kind_of_text(series: pd.Series[Any], tell: Callable[[str], None]) -> str:
    """Of a column with text in it, perhaps among numbers."""
    values, odd = numbers(series)
    found = values[~np.isnan(values)]
    if len(np.unique(found)) <= FEW and (found == np.round(found)).all():
        return WORD
    if any(isinstance(cell, str) and _CODE.match(cell) for cell in series.astype(object).tolist()):
        return WORD
    if not odd:
        return NUMBER
    if len(found) > MOSTLY * (len(found) + len(odd)):
        tell(
            f"column {series.name!r} is read as words, because {len(odd)} of its {len(series)} cells are no numbers, "
            f"such as {shown(odd)}: mend them, or leave them empty, and it is read as numbers"
        )
    return WORD


def _words(series: pd.Series[Any], word: Callable[[Any], str | None]) -> np.ndarray:
    known: dict[str, str | None] = {}
    words = np.empty(len(series), object)
    for place, cell in enumerate(series.astype(object).tolist()):
        if type(cell) is not str:  # 1, 1.0 and True are one key, but not one word
            words[place] = word(cell)
        else:
            if cell not in known:
                known[cell] = word(cell)
            words[place] = known[cell]
    return words


def _times(series: pd.Series[Any], kind: str) -> tuple[np.ndarray, list[Any]]:
    """Days, float64 [n], since 1970 in UTC or in all, and the cells that are no such times. ISO texts are read too."""
    if isinstance(series.dtype, (np.dtype, pd.DatetimeTZDtype)) and series.dtype.kind == _CODES[kind]:
        return _days(series, kind), []
    cells = series.astype(object).tolist()
    taken = [cell if isinstance(cell, (str, *_TYPES[kind])) and not is_absent(cell) else None for cell in cells]
    values = _days(pd.Series(taken, dtype=object), kind)
    odd = [cell for cell, value in zip(cells, values, strict=True) if np.isnan(value) and not is_absent(cell)]
    return values, odd


def _days(series: pd.Series[Any], kind: str) -> np.ndarray:
    """What pandas reads as times, as days; NaN where it does not."""
    if kind == SPAN:
        return np.asarray(pd.to_timedelta(series, errors="coerce").to_numpy() / _DAY)
    stamps = pd.to_datetime(series, utc=True, errors="coerce", format="ISO8601").dt.tz_localize(None).to_numpy()
    return np.asarray((stamps - np.datetime64("1970-01-01")) / _DAY)
