"""What a person should know of the columns of X: those that teach nothing, and words that the fit has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from ssgan.contract import CategoryColumn, Contract
from ssgan.learn.encode import RARE_ROWS, Encoder
from ssgan.learn.parts import CategoryPart, NumberPart, Part
from ssgan.learn.reading import NUMBER

WORDS = 1000  # of a column, listed in the contract: the most frequent ones; the encoder has slots for fewer
NAMED = 5  # columns that a warning names
ID_ROWS = 30  # from here on another whole number in every row is no accident


def of_columns(columns: Mapping[str, np.ndarray], kinds: Mapping[str, str], encoder: Encoder) -> Iterator[str]:
    """A sentence for each reason why columns of the fit are no use.

    Args:
        columns: raw, as the encoder was fitted on.
        kinds: of them, see `reading.py`.
        encoder: of them.
    """
    found: dict[Callable[[str], str], list[str]] = {}
    for part in encoder.parts:
        reason = _reason(part, columns[part.name], kinds[part.name]) if part.name in columns else None
        if reason is not None:
            found.setdefault(reason, []).append(part.name)
    for reason, names in found.items():
        yield reason(_named(names))


def of_new_words(columns: Mapping[str, np.ndarray], contract: Contract, encoder: Encoder) -> Iterator[str]:
    """A sentence for each column of words of which the fit has not seen the half."""
    for part in encoder.categories:
        about = contract.features[part.name]
        # A longer list of words was cut, and a column without a slot of its own has new words in every batch.
        if not isinstance(about, CategoryColumn) or len(about.values) >= WORDS or not part.values:
            continue
        known, words = frozenset(about.values), [word for word in columns[part.name].tolist() if word is not None]
        new = [word for word in words if word not in known]
        if len(new) > len(words) / 2:
            yield (
                f"words of column {part.name!r} should be those of the fit, such as {_some(about.values)}; in "
                f"{len(new)} of {len(words)} rows they are others, such as {_some(dict.fromkeys(new))}: spell them so"
            )


def _reason(part: Part, values: np.ndarray, kind: str) -> Callable[[str], str] | None:
    if isinstance(part, NumberPart):
        if not part.knots or (len(part.knots) == 1 and not part.nullable):
            return _constant
        return _id if kind == NUMBER and _numbers_rows(values) else None
    if not isinstance(part, CategoryPart):
        return None
    words = {word for word in values.tolist() if word is not None}
    if not words or (len(words) == 1 and not part.nullable):
        return _constant
    if part.values:
        return None
    return _names if len(words) == len(values) > ID_ROWS else _rare


def _numbers_rows(values: np.ndarray) -> bool:
    if len(values) <= ID_ROWS or np.isnan(values).any() or not np.equal(values, np.round(values)).all():
        return False
    return len(np.unique(values)) == len(values)


def _constant(names: str) -> str:
    return f"a column that is constant or empty teaches nothing: {names}; leave it out"


def _id(names: str) -> str:
    return f"a different whole number in every row looks like an id: {names}; leave it out if it only names the rows"


def _names(names: str) -> str:
    return f"a different word in every row looks like an id: {names} is ignored; leave it out, or put words together"


def _rare(names: str) -> str:
    return (
        f"a word is learned if {RARE_ROWS} rows hold it: {names} has no such word and is ignored; put words "
        "together, or make numbers or dates of them, if they are some held as text"
    )


def _some(words: Iterable[str]) -> str:
    return ", ".join(repr(word[:40]) for word in islice(words, NAMED))


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(f"column {name!r}" for name in names[:NAMED]) + more
