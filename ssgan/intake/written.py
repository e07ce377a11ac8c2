"""How numbers and times are written that intake takes for words, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ENOUGH = 1000  # words that are looked at
_SHARE = 0.9  # of the words that are written in one way, plain numbers among them
_UNITS = 3
_FIGURES = r"[+-]?[0-9][0-9.,]*"
_PLAIN = "write plain numbers"
_WAYS = tuple(
    (re.compile(pattern), name, cure)
    for pattern, name, cure in (
        (
            r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?|[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}",
            "times",
            "write a number, such as minutes since midnight",
        ),
        (rf"{_FIGURES}\s?%", "numbers with a per cent sign", _PLAIN),
        (
            r"[+-]?[0-9]{1,3}((,[0-9]{3})+(\.[0-9]+)?|(\.[0-9]{3})+(,[0-9]+)?)",
            "numbers with marks between thousands",
            _PLAIN,
        ),
        (r"[+-]?[0-9]+,[0-9]+", "numbers with a decimal comma", "declare it: `--decimal ,`"),
        (rf"[$€£¥]\s?{_FIGURES}|{_FIGURES}\s?[$€£¥]", "amounts of money", _PLAIN),
        (rf"[<>≤≥]=?\s?{_FIGURES}", "numbers with < or >", _PLAIN),
        (rf"{_FIGURES}\s?/\s?{_FIGURES}", "two numbers in a cell", "write each into a column of its own"),
    )
)
_WITH_UNIT = re.compile(rf"{_FIGURES}(\s?[^\W\d_][^\d,;]{{0,11}})")


def looks_like(words: Sequence[str], numbers: int) -> tuple[str, str, str] | None:
    """(what distinct words look like, one of them, what to do); None for words that look like nothing else.

    Args:
        words: that are no numbers.
        numbers: distinct ones that stand beside them.
    """
    some = words[:: -(-len(words) // _ENOUGH)] if words else ()
    needed = (_SHARE - (1 - _SHARE) * numbers / max(len(words), 1)) * len(some)
    for pattern, name, cure in _WAYS:
        found = [word for word in some if pattern.fullmatch(word)]
        if found and len(found) >= needed:
            return name, found[0], cure
    measured = {word: match[1] for word in some if (match := _WITH_UNIT.fullmatch(word))}
    if measured and len(measured) >= needed and _are_units({*measured.values()}):
        return "numbers with a unit", next(iter(measured)), _PLAIN
    return None


def _are_units(ends: set[str]) -> bool:
    """One end of all is a unit, a few behind a blank are; `1a`, `1b`, `2a` are names."""
    return len(ends) == 1 or (len(ends) <= _UNITS and all(end[0].isspace() for end in ends))


def are_padded_codes(words: Sequence[str]) -> bool:
    """Whether words are codes such as postcodes: three or more digits, as many in each, some with leading zeros."""
    width = len(words[0]) if words else 0
    return (
        width > 2
        and any(word[0] == "0" for word in words)
        and all(len(word) == width and word.isascii() and word.isdigit() for word in words)
    )
