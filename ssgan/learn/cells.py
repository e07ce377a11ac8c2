"""One cell of a frame as a number, or as a word: however it is held, the same thing is read in the same way."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from ssgan.contract import MISSING

ABSENT = frozenset((*MISSING, "?", "n/a", "N/A", "<NA>"))  # texts that stand for no number
_NUMBER = re.compile(r"(?i)[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf(inity)?)")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)\.0")  # how a whole float is written as text
EXACT = 2.0**53  # from here on not every whole number is a float
_FLAGS = {"true": "True", "1": "True", "1.0": "True", "false": "False", "0": "False", "0.0": "False"}


def is_missing(cell: Any) -> bool:
    """Whether a cell is one of the objects that stand for no value: None, NaN, NA or NaT, but no text."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    if isinstance(cell, Decimal):
        return cell.is_nan()
    return isinstance(cell, (float, np.floating)) and bool(cell != cell)


def is_number(cell: Any) -> bool:
    """Whether a cell is itself a number, not its text."""
    return isinstance(cell, (Real, Decimal)) and not isinstance(cell, (bool, np.timedelta64))


def is_absent(cell: Any) -> bool:
    """Whether a cell of a column of numbers stands for no number, as an object or in words."""
    return is_missing(cell) or (isinstance(cell, str) and cell.strip() in ABSENT)


def number_of(cell: Any) -> float | None:
    """The number that a cell is, or that its text says: NaN where it is absent, None where it is something else."""
    if is_absent(cell):
        return math.nan
    if isinstance(cell, str):
        return float(cell) if _NUMBER.fullmatch(cell.strip()) else None
    if not is_number(cell) and not isinstance(cell, (bool, np.bool_)):
        return None
    try:
        return float(cell)
    except OverflowError:
        return math.inf


def word_of(cell: Any) -> str | None:
    """The one text of what a cell says: "1" for 1, 1.0 and "1.0 ", "True" for True; None where it is missing."""
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "replace")
    if isinstance(cell, str):
        word = cell.strip()
        return word[:-2] if _WHOLE.fullmatch(word) else word
    if is_missing(cell):
        return None
    if is_number(cell) and -EXACT < cell < EXACT and cell == int(cell):
        return str(int(cell))
    return str(float(cell)) if isinstance(cell, Decimal) else str(cell)


def flag_of(cell: Any) -> str | None:
    """As `word_of`, in a column of truth values: 1, "true" and "TRUE" say "True" there."""
    word = word_of(cell)
    return word if word is None else _FLAGS.get(word.casefold(), word)
