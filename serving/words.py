"""Categories: JSON writes true, false and numbers without quotes, where the contract has words for them.

A file's cells of these kinds are read as words by intake and `ssgan score`; here it is the same, so that a record gets
the same answer however it comes.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from ssgan.columns import NUMBER
from ssgan.contract import CategoryColumn

_FLAGS = {"True": True, "False": False}  # as files' truth values are read
_NUMBER = re.compile(NUMBER)


def category(column: CategoryColumn) -> Any:
    """The type of one of the contract's words, or of the value that JSON has for it."""
    word: Any = Literal[column.values]
    values = {word: value for word in column.values if (value := _value(word)) is not None}
    if not values:
        return word
    words = {_key(value): word for word, value in reversed(values.items())}

    def read(given: object) -> object:
        return words.get(_key(given), given) if isinstance(given, bool | int | float) else given

    told: dict[str, Any] = {"enum": [*column.values, *values.values()]}
    return Annotated[word, BeforeValidator(read), WithJsonSchema(told)]


def _value(word: str) -> bool | float | None:
    """What JSON has for a word; None where it has nothing but the word."""
    return _FLAGS.get(word, float(word) if _NUMBER.fullmatch(word) else None)


def _key(value: float) -> tuple[bool, float]:
    """Python takes True for 1."""
    return isinstance(value, bool), value
