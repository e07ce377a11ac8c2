"""Looks at one column of a file as a person would: what is in it, what it may be, and why."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from ssgan.columns import SIDE_AT_LEAST, SIDE_AT_MOST
from ssgan.contract import MISSING
from ssgan.errors import DataError
from ssgan.intake.cells import LONGEST_CELL, Floats, are_numbers, as_text, column_of, pointed
from ssgan.intake.pictures import PNG, shape_of
from ssgan.intake.written import are_padded_codes, looks_like
from ssgan.stray import far_from_the_rest, told

WORDS = 30  # distinct values up to which text is a category
_ROUNDABLE = 1e300
_OTHERS, _APART = 10, 0.25  # a stand-in is beside so many other numbers, and this share of their range away from them
_STAND_IN_ROWS, _STAND_IN_SHARE = 3, 0.01  # in which it stands at least, of those with a value
_ALSO_MISSING = ("?", "N/A", "n/a", "#N/A", "-", ".", "na", "NULL", "none", "unknown", "Unknown", "missing")
_ID_NAME = re.compile(  # with a capital or behind such a noun, as `acid` and `paid` are no ids
    r"(?i:(^|[_\W])(id|key|uuid|nr|no|number|index)$|^(id|uuid)[_\W])|[a-z]I[dD]$"
    r"|(?i:(record|row|sample|case|visit|patient|person|subject|user|customer|client|order|item)id$)"
)
_DATE = (  # 18.00.00 is a time
    r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([T ].*)?$|^[0-9]{1,2}[./](?!00)[0-9]{1,2}[./]([0-9]{2}|[0-9]{4})([T ].*)?$"
)


@dataclass(frozen=True)
class Look:
    """One column of the file, as a person would look at it."""

    name: str
    rows: int
    kind: pa.DataType
    words: tuple[str, ...]  # distinct, without the missing ones
    numbers: Floats  # distinct finite numbers among them, ascending
    odd: tuple[str, ...]  # distinct words that are no finite number
    absent: int  # rows without a value
    odd_rows: int = 0
    row_number: bool = False  # it counts the rows of the file, from 0 or 1
    picture: bytes | None = None  # the first PNG
    stand_in: str = ""  # a number that seems to mean no value, such as -200 or 999
    stand_in_rows: int = 0

    @property
    def numeric(self) -> bool:
        return len(self.numbers) > 0 and not self.odd

    @property
    def varied_numbers(self) -> bool:
        """Whether nearly all its distinct words are numbers, in however many rows the others are."""
        return len(self.numbers) > 9 * len(self.odd)

    @property
    def mostly_numeric(self) -> bool:
        return self.varied_numbers and self.rows - self.absent - self.odd_rows > 9 * self.odd_rows

    @property
    def unique(self) -> bool:
        return self.absent == 0 and len(self.words) == self.rows and self.rows > 1

    @property
    def integer(self) -> bool:
        return bool((self.numbers == np.rint(self.numbers)).all())

    @property
    def named_like_id(self) -> bool:
        return _ID_NAME.search(self.name) is not None


def missing_words(table: pa.Table, decimal: str = ".") -> tuple[str, ...]:
    """The usual words for "no value", and those that stand alone among the numbers of some column."""
    found = list(MISSING)
    for name in table.column_names:
        column = column_of(table, name)
        if not pa.types.is_string(column.type):
            continue
        words = pc.unique(as_text(column).drop_null())
        numeric = are_numbers(pointed(words, decimal))
        odd = {*words.filter(pc.invert(numeric)).to_pylist()} - {*found}
        alone = odd if pc.any(numeric).as_py() else set()
        found += [word for word in _ALSO_MISSING if word in odd and (word == "?" or alone == {word})]
    return tuple(found)


def look_at(table: pa.Table, name: str, missing: Sequence[str], decimal: str = ".") -> Look:
    """Looks at one column.

    Args:
        table: It is of this.
        name: Of the column.
        missing: The words that mean no value.
        decimal: The mark between whole and fraction, of numbers held as text.
    """
    column = column_of(table, name)
    if pa.types.is_binary(column.type):
        first = next((cell for cell in column.to_pylist() if cell is not None and cell.startswith(PNG)), None)
        absent = column.null_count
        return Look(name, len(column), column.type, (), np.array([]), (), absent, picture=first)
    text = as_text(column)
    text = pc.if_else(pc.is_in(text, value_set=pa.array(missing, pa.string())), None, text)
    words = pc.unique(text.drop_null()).sort()
    mark = decimal if pa.types.is_string(column.type) else "."
    read = pointed(words, mark)
    numeric = are_numbers(read)
    values = pc.cast(read.filter(numeric), pa.float64()).to_numpy(zero_copy_only=False)
    finite = np.isfinite(values)  # a number too large for a float is as odd as a word
    odd = pa.concat_arrays([words.filter(pc.invert(numeric)), words.filter(numeric).filter(pa.array(~finite))])
    numbers = np.unique(values[finite])
    stand_in = _stand_in(numbers)
    rows = pc.sum(pc.is_in(text, value_set=words.filter(numeric).filter(pa.array(values == stand_in)))).as_py() or 0
    meant = stand_in is not None and rows >= max(_STAND_IN_ROWS, _STAND_IN_SHARE * (len(text) - text.null_count))
    return Look(
        name=name,
        rows=len(column),
        kind=column.type,
        words=tuple(words.to_pylist()),
        numbers=numbers,
        odd=tuple(odd.to_pylist()),
        absent=text.null_count,
        odd_rows=pc.sum(pc.is_in(text, value_set=odd)).as_py() or 0,
        stand_in=f"{stand_in:g}" if meant else "",
        stand_in_rows=rows if meant else 0,
        row_number=len(odd) == 0 and text.null_count == 0 and _counts_rows(pointed(text, mark), numbers),
    )


def _stand_in(numbers: Floats) -> float | None:
    """The first or the last of distinct numbers if it is of a kind, and far enough away, to mean that there is none."""
    if len(numbers) <= _OTHERS:
        return None
    low, high = float(numbers[0]), float(numbers[-1])
    if low < 0 and (numbers[1] >= 0 or numbers[1] - low >= _APART * (high - numbers[1])):
        return low
    nines = re.fullmatch(r"9{2,}", f"{high:.0f}") is not None and high == int(high)
    return high if nines and high - numbers[-2] >= _APART * (numbers[-2] - low) else None


def _counts_rows(text: pa.Array, distinct: Floats) -> bool:
    """Whether numbers count the rows of a file; in a short one that may be chance."""
    if not WORDS < len(text) == len(distinct) or distinct[0] not in (0, 1):
        return False
    values = pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False)
    return bool((values == np.arange(len(values)) + distinct[0]).all())


def describe(look: Look) -> tuple[str, str]:
    """The options of a column and the reason for them."""
    if look.picture is not None:
        return _describe_picture(look.picture)
    nullable = ", nullable: true" if look.absent else ""
    absent = f"; {look.absent} of {look.rows} are missing" if look.absent else ""
    why = _why_no_feature(look, absent)
    if why is not None:
        return "type: ignore", why
    if look.mostly_numeric and not are_padded_codes(look.words):
        return _describe_numbers(look, nullable, absent)
    return _describe_words(look, nullable, absent)


def _why_no_feature(look: Look, absent: str) -> str | None:
    """Why a model has nothing to learn from a column, whether it holds numbers or words."""
    if pa.types.is_nested(look.kind):
        return "holds several values in a cell; write each into a column of its own"
    if len(look.words) == 0:
        return "holds bytes that are no PNG" if look.absent < look.rows else "has no value"
    if len(look.words) == 1:
        return f"is always {plain(look.words[0])}{absent}"
    if look.named_like_id and look.rows > WORDS and len(look.words) > WORDS and (look.integer or look.odd):
        return "named like an id, which a model must not learn from"
    if look.row_number:
        options, _ = _describe_numbers(look, "", "")
        return f"counts the rows, which a model must not learn from; if it was measured: {{{options}}}"
    return None


def _describe_words(look: Look, nullable: str, absent: str) -> tuple[str, str]:
    if pa.types.is_temporal(look.kind) or all(re.match(_DATE, word) for word in look.words):
        return "type: ignore", "dates; a model needs a number such as days since an event"
    hint = _hint(look)
    if look.unique:
        return "type: ignore", f"another text in every row{hint}"
    if len(look.words) <= WORDS and max(map(len, look.words)) <= LONGEST_CELL:
        values = ", ".join(quoted(word) for word in look.words)
        why = f"{len(look.words)} different words{absent}{hint}{alike(look.words)}"
        return f"type: category, values: [{values}]{nullable}", why
    return "type: ignore", f"{len(look.words)} different texts, more than the {WORDS} that a category may have{hint}"


def alike(words: Sequence[str]) -> str:
    """What is to be said of words of which two are the same but for capitals."""
    seen: dict[str, str] = {}
    first = next((word for word in words if seen.setdefault(word.casefold(), word) != word), None)
    return f"; {plain(seen[first.casefold()])!r} and {plain(first)!r} differ in case alone" if first else ""


def _hint(look: Look) -> str:
    """What words seem to be besides words, and what to do if they are."""
    if are_padded_codes(look.words):
        return "; codes with leading zeros; write them without if they are quantities"
    if look.varied_numbers:
        word = repr(plain(look.odd[0]))
        return f"; numbers but for words such as {word} in {look.odd_rows} rows; add those of no value to `missing`"
    found = looks_like(look.odd, len(look.words) - len(look.odd))
    return f"; they look like {found[0]}, such as {plain(found[1])!r}: {found[2]}" if found else ""


def _describe_picture(png: bytes) -> tuple[str, str]:
    shape = shape_of(png)
    if shape is None:
        return "type: ignore", "holds bytes that are no readable PNG"
    height, width, channels = shape
    if not SIDE_AT_LEAST <= min(height, width) <= max(height, width) <= SIDE_AT_MOST:
        limits = f"{SIDE_AT_LEAST} to {SIDE_AT_MOST} pixels to a side"
        raise DataError(f"images must have {limits}, and the first one has {height}x{width}: make them all of one size")
    return f"type: image, height: {height}, width: {width}, channels: {channels}", "PNG; the size of the first one"


def _describe_numbers(look: Look, nullable: str, absent: str) -> tuple[str, str]:
    low, high, _ = bounds(look.numbers, look.integer)
    integer = ", integer: true" if look.integer else ""
    why = f"seen {look.numbers[0]:g} to {look.numbers[-1]:g}{absent}"
    why += told_apart(look)
    if look.odd:
        why += f"; {plain(look.odd[0])} is no number, so such rows are refused"
    why += stray(look, "a code for no value goes into `missing`")
    return f"type: number, min: {low}, max: {high}{integer}{nullable}", why


def told_apart(look: Look) -> str:
    """What is to be said of a number that seems to mean no value."""
    if not look.stand_in:
        return ""
    where = f"{look.stand_in}, in {look.stand_in_rows} rows, stands apart"
    return f"; {where}: if it means no value, leave those cells empty"


def stray(look: Look, otherwise: str) -> str:
    """A hint at other numbers far from all others; "" without such."""
    numbers = look.numbers[look.numbers != float(look.stand_in)] if look.stand_in else look.numbers
    far, rest = far_from_the_rest(numbers)
    return f"; {told(far, rest)}: a slip is refused by a narrower range, {otherwise}" if len(far) else ""


def bounds(numbers: Floats, integer: bool) -> tuple[str, str, str]:
    """(min, max, the reason for min); two whole numbers next to each other are a switch, and stay as they are."""
    low, high = float(numbers[0]), float(numbers[-1])
    width = high - low or abs(high) or 1.0
    if integer and width == 1 and len(numbers) == 2:
        return _number(low), _number(high), "one of two"
    top = _round_up(high + width, integer)
    if low >= 0:
        return "0", top, "nothing is negative"
    bottom = _round_up(width - low, integer)
    return f"-{bottom}", top, f"the smallest seen is {low:g}; widened by the observed range"


def _round_up(value: float, integer: bool) -> str:
    """The next number with two digits, so that a person can read it; `value` is the size of a bound."""
    if value <= 0:
        return "0"
    if value > _ROUNDABLE:
        return repr(sys.float_info.max)
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    rounded = max(float(f"{math.ceil(value / step) * step:.2g}"), value) if step > 0 else value
    return _number(float(math.ceil(rounded)) if integer else rounded)


def _number(value: float) -> str:
    """A float as YAML 1.1 reads it back: with a dot before the exponent."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def quoted(word: str) -> str:
    """A word as YAML that reads back as the same text."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", word) and isinstance(yaml.safe_load(word), str)
    if plain and word.casefold() not in ("y", "n"):
        return word
    return yaml.safe_dump(word, default_style='"', allow_unicode=True, width=math.inf).strip()


def plain(text: str) -> str:
    """A text within a comment: one line, not too long."""
    return (repr(text) if not text.isprintable() else text)[:60]
