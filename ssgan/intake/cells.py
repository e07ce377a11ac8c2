"""Cells become values, one column at a time and vectorised.

A cell that breaks a rule is a fault of its row, never a crash.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.columns import NUMBER
from ssgan.contract import CategoryColumn, ImageColumn, NumberColumn, ValueLabel
from ssgan.intake.pictures import brightness
from ssgan.intake.source import is_number

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LONGEST_CELL = 10_000  # characters
UNLABELLED = "-1"  # besides a missing value, for classes only
_INFINITE = r"(?i)^[+-]?inf(inity)?$"

NOT_A_NUMBER = "not a number"
INFINITE = "infinite"
OUTSIDE_RANGE = "outside range"
NOT_AN_INTEGER = "not an integer"
UNKNOWN_VALUE = "unknown value"
MISSING = "missing"
UNKNOWN_LABEL = "unknown label"
LABEL_OUTSIDE_RANGE = "label outside range"
TOO_LONG = "text too long"
NOT_THE_IMAGE = "not a PNG of the declared size"


@dataclass(frozen=True)
class Fault:
    """The rows [n] in which one column breaks one rule."""

    rule: str
    column: str
    rows: Mask


@dataclass(frozen=True)
class Cells:
    """A column as accepted data holds it; where a cell breaks a rule, the value is missing."""

    values: pa.Array  # float64 (NaN = missing), string (null = missing) or binary
    faults: tuple[Fault, ...]
    aspects: dict[str, Floats] = field(default_factory=dict)  # of images: what drift is measured on
    noted: tuple[Fault, ...] = ()  # broken rules whose values are kept, because the contract calls them info


def column_of(table: pa.Table, name: str) -> pa.Array:
    """A column in one piece, with dictionaries resolved and one type each for text and bytes."""
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # Arrow leaves a column without chunks, or one too large for one, as it is
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    if pa.types.is_large_binary(column.type) or pa.types.is_binary_view(column.type):
        return column.cast(pa.binary())
    return column


def as_text(column: pa.Array) -> pa.Array:
    """Any column as strings without surrounding blanks: 3.0 as "3", true as "True", NaN as null."""
    kind = column.type
    if pa.types.is_string(kind):
        return pc.utf8_trim_whitespace(column)
    if pa.types.is_boolean(kind):
        return pc.if_else(column, "True", "False")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(column, pa.float64())
        return pc.if_else(pc.is_nan(numbers), None, _float_text(numbers))
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pc.if_else(pc.is_valid(column), f"<{kind}>", None)


def _float_text(numbers: pa.Array) -> pa.Array:
    unique = pc.dictionary_encode(numbers)
    words = pa.array([None if value is None else canonical(repr(value)) for value in unique.dictionary.to_pylist()])
    return words.cast(pa.string()).take(unique.indices)


def canonical(word: str) -> str:
    """One spelling per number: "1.0", "1" and "+1" are the same class; what is no number stays as it is."""
    if not is_number(word):
        return word
    value = float(word)
    if math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return str(int(value))
    return repr(value)


def too_long(column: pa.Array) -> Mask:
    """Which cells are longer than any cell has a reason to be."""
    if not pa.types.is_string(column.type):
        return np.zeros(len(column), bool)
    if (pc.max(pc.binary_length(column)).as_py() or 0) <= LONGEST_CELL:
        return np.zeros(len(column), bool)  # no more bytes than characters are allowed, which is quick to see
    return _mask(pc.greater(pc.utf8_length(column), LONGEST_CELL))


def number_cells(
    column: pa.Array,
    name: str,
    rule: NumberColumn | ValueLabel,
    missing: Sequence[str],
    *,
    label: bool = False,
    decimal: str = ".",
    kept: Collection[str] = (),
) -> Cells:
    """Reads a column of numbers and checks it against its range; a label may always be missing.

    Args:
        column: As it was read.
        name: Of the column.
        rule: What it must be.
        missing: Words that mean no value.
        label: Whether it is the label.
        decimal: What a text has between whole and fraction; the other mark makes it no number.
        kept: Rules that may be broken: the value stays, and the fault is only noted.
    """
    long = too_long(column)
    values, absent, wrong = _numbers(_without(column, long), missing, decimal)
    faults = [Fault(TOO_LONG, name, long), Fault(NOT_A_NUMBER, name, wrong & ~long)]
    infinite = np.isinf(values)
    low = -math.inf if rule.min is None else rule.min
    high = math.inf if rule.max is None else rule.max
    outside = ~infinite & ((values < low) | (values > high))
    faults += [
        Fault(INFINITE, name, infinite),
        Fault(LABEL_OUTSIDE_RANGE if label else OUTSIDE_RANGE, name, outside),
    ]
    if isinstance(rule, NumberColumn):
        if rule.integer:
            told = OUTSIDE_RANGE not in kept  # one fault of a refused value is enough
            broken = np.isfinite(values) & (values != np.rint(values)) & ~(outside & told)
            faults.append(Fault(NOT_AN_INTEGER, name, broken))
        if not rule.nullable:
            faults.append(Fault(MISSING, name, absent & ~long))
    noted = _present(fault for fault in faults if fault.rule in kept)
    faults = [fault for fault in faults if fault.rule not in kept]
    values = np.where(is_any(faults, len(values)), np.nan, values) + 0.0  # no -0.0, so that equal rows have equal bytes
    return Cells(pa.array(values), _present(faults), noted=noted)


def _numbers(column: pa.Array, missing: Sequence[str], decimal: str) -> tuple[Floats, Mask, Mask]:
    """(values with NaN, missing, not a number)."""
    kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        column = pc.cast(column, pa.float64(), safe=False) if pa.types.is_integer(kind) else column.cast(pa.float64())
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        column = pc.cast(column, pa.float64(), safe=False)
    else:
        return _numbers_of_text(column, missing, decimal)
    values = _floats(column)
    return values, np.isnan(values), np.zeros(len(values), bool)


def _numbers_of_text(column: pa.Array, missing: Sequence[str], decimal: str) -> tuple[Floats, Mask, Mask]:
    if decimal == "." and pa.types.is_string(column.type):
        quick = _plain_numbers(column, missing)
        if quick is not None:
            return quick
    text = as_text(column)
    text = pc.if_else(pc.is_in(text, value_set=pa.array(missing, pa.string())), None, text)
    absent = _mask(pc.is_null(text))
    text = pointed(text, decimal)
    reads = pc.or_(are_numbers(text), pc.match_substring_regex(text, _INFINITE))
    values = _floats(pc.cast(pc.if_else(reads, text, None), pa.float64()))
    return values, absent, ~absent & np.isnan(values)


def _plain_numbers(column: pa.Array, missing: Sequence[str]) -> tuple[Floats, Mask, Mask] | None:
    """The same for a column of numbers without blanks, signs or words around them, in a tenth of the time."""
    text = pc.if_else(pc.is_in(column, value_set=pa.array(missing, pa.string())), None, column)
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return None
    values = _floats(numbers)
    absent = _mask(pc.is_null(text))
    if (np.isnan(values) & ~absent).any():  # a word such as "nan", which the cast takes for a number
        return None
    return values, absent, np.zeros(len(values), bool)


def pointed(text: pa.Array, decimal: str) -> pa.Array:
    """Numbers with a point as their decimal mark; where that is another one, what has a point becomes a word."""
    if decimal == ".":
        return text
    text = pc.if_else(pc.match_substring(text, "."), "x", text)
    return pc.replace_substring(text, decimal, ".", max_replacements=1)


def are_numbers(text: pa.Array) -> pa.Array:
    """Which texts read as a number (bool array); the same rule as `is_number`."""
    return pc.match_substring_regex(text, f"^({NUMBER})$")


def word_cells(column: pa.Array, name: str, rule: CategoryColumn, missing: Sequence[str]) -> Cells:
    """Reads a column of words and checks that each is one of the contract's."""
    long = too_long(column)
    words, absent, unknown = _words(_without(column, long), rule.values, missing)
    faults = [Fault(TOO_LONG, name, long), Fault(UNKNOWN_VALUE, name, unknown)]
    if not rule.nullable:
        faults.append(Fault(MISSING, name, absent & ~long))
    return Cells(words, _present(faults))


def class_cells(
    column: pa.Array,
    name: str,
    classes: Sequence[str],
    missing: Sequence[str],
    unlabelled: Sequence[str] = (UNLABELLED,),
) -> Cells:
    """Reads the labels of a classification; null means unlabelled."""
    long = too_long(column)
    nothing = (*missing, *(word for word in unlabelled if word not in classes))
    words, _, unknown = _words(_without(column, long), classes, nothing)
    return Cells(words, _present([Fault(TOO_LONG, name, long), Fault(UNKNOWN_LABEL, name, unknown)]))


def _words(column: pa.Array, allowed: Sequence[str], missing: Iterable[str]) -> tuple[pa.Array, Mask, Mask]:
    """(the allowed word or null, missing, unknown); every distinct word is looked up once."""
    exact = {word: word for word in allowed}
    spelled = {canonical(word): word for word in reversed(allowed)}
    nothing = {*missing} - {*allowed}
    encoded = pc.dictionary_encode(as_text(column))
    distinct = encoded.dictionary.to_pylist()
    # A number may be written in several ways, such as 1 and 1.0, so what is not listed as it stands gets a second look.
    found = [exact.get(word) or (None if word in nothing else spelled.get(canonical(word))) for word in distinct]
    empty = np.array([word in nothing or canonical(word) in nothing for word in distinct] + [True], bool)
    known = np.array([word is not None for word in found] + [False], bool)
    index = pc.fill_null(encoded.indices, len(distinct)).to_numpy(zero_copy_only=False).astype(np.int64)
    words = pa.array([*found, None], pa.string()).take(pa.array(index))
    return words, empty[index] & ~known[index], ~known[index] & ~empty[index]


def text_cells(column: pa.Array, name: str, missing: Sequence[str]) -> Cells:
    """Reads the names of rows or groups, which must be there."""
    long = too_long(column)
    text = as_text(_without(column, long))
    text = pc.if_else(pc.is_in(text, value_set=pa.array(missing, pa.string())), None, text)
    absent = _mask(pc.is_null(text)) & ~long
    return Cells(text, _present([Fault(TOO_LONG, name, long), Fault(MISSING, name, absent)]))


def image_cells(column: pa.Array, name: str, rule: ImageColumn) -> Cells:
    """Reads a column of PNG bytes; the aspects are the mean and the spread of each image's brightness, in 0..1."""
    shape = (rule.height, rule.width, rule.channels)
    pictures = [brightness(cell, shape) for cell in column.to_pylist()]
    bad = np.array([picture is None for picture in pictures], bool)
    aspects = {
        f"{name}.brightness": np.array([np.nan if each is None else each.mean() for each in pictures], np.float64),
        f"{name}.contrast": np.array([np.nan if each is None else each.std() for each in pictures], np.float64),
    }
    cells = column if pa.types.is_binary(column.type) else pa.nulls(len(column), pa.binary())
    return Cells(_without(cells, bad), _present([Fault(NOT_THE_IMAGE, name, bad)]), aspects)


def _without(column: pa.Array, rows: Mask) -> pa.Array:
    return pc.if_else(pa.array(rows), pa.scalar(None, column.type), column) if rows.any() else column


def _mask(column: pa.Array) -> Mask:
    mask: Mask = pc.fill_null(column, False).to_numpy(zero_copy_only=False)
    return mask


def _floats(column: pa.Array) -> Floats:
    values: Floats = pc.fill_null(column, math.nan).to_numpy(zero_copy_only=False)
    return values


def is_any(faults: Iterable[Fault], rows: int) -> Mask:
    """The rows that any of the faults is in."""
    every = np.zeros(rows, bool)
    for fault in faults:
        every |= fault.rows
    return every


def _present(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(fault for fault in faults if fault.rows.any())
