"""A file as a sequence of tables, and what names and words of a file may be."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from ssgan.columns import NUMBER
from ssgan.errors import DataError

_READS = re.compile(NUMBER)


@dataclass
class Source:
    """A file as a sequence of tables; the same parts each time. The only part of a small file stays in memory."""

    path: Path
    columns: tuple[str, ...]
    read: Callable[[], Iterator[pa.Table]]
    _only: pa.Table | None = field(default=None, repr=False)
    _begun: Iterator[pa.Table] | None = field(default=None, repr=False)

    def begin(self) -> None:
        """Reads the first part, so that what is no table is found out at once; `parts` goes on from there.

        Raises:
            DataError: one sentence for whatever keeps the file from being a table with at least one row.
        """
        reading = self.read()
        first = next((part for part in reading if part.num_rows), None)
        if first is None:
            raise self._no_rows()
        self._begun = itertools.chain([first], reading)

    def parts(self) -> Iterator[pa.Table]:
        """The tables, one after another, each with at least one row.

        Raises:
            DataError: one sentence for whatever keeps the rest from being read.
        """
        if self._only is not None:
            yield self._only
            return
        count, first = 0, None
        reading, self._begun = self._begun or self.read(), None
        for part in reading:
            if part.num_rows:
                count += 1
                first = part if count == 1 else None
                yield part
        if count == 0:
            raise self._no_rows()
        self._only = first

    def _no_rows(self) -> DataError:
        return DataError(f"{self.path.name} has column names but no data rows; a batch needs at least one row")


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that is most like `name`, if one is."""
    folded = {each.casefold(): each for each in names}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def is_number(word: str) -> bool:
    """Whether a word reads as a finite number."""
    return _READS.fullmatch(word) is not None


def checked_names(raw: Sequence[str], path: Path) -> list[str]:
    names = [name.strip() for name in raw]
    if not any(names):
        raise DataError(f"{path.name} has no column names; its first line must name the columns")
    unnamed = [place for place, name in enumerate(names, 1) if not name]
    if len(unnamed) > 1:
        places = ", ".join(map(str, unnamed[:8])) + (", ..." if len(unnamed) > 8 else "")
        raise DataError(
            f"{path.name} has {len(unnamed)} columns without a name (columns {places}); name them, or delete them, "
            "also where all their cells are empty, as a spreadsheet writes them"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if any(is_number(name) for name in twice):
        start = ", ".join(names[:3])
        raise DataError(f"{path.name}: its first line looks like data ({start}, ...); add a line of column names")
    if twice:
        places = " and ".join(str(place) for place, name in enumerate(names, 1) if name == twice[0])
        raise DataError(
            f"{path.name} has more than one column named `{twice[0]}` (columns {places}); every name must be "
            "there once: rename or delete one"
        )
    return names


def why_one_name(name: str) -> str:
    """What is the matter with a CSV whose first line seems to name one column only."""
    mark = next((mark for mark in ";\t|," if mark in name), None)
    if mark is None:
        return f"its first line is {name[:60]!r}: delete what stands above the line of column names"
    shown = "\\t" if mark == "\t" else mark
    how = f'declare it in the contract as `files: {{delimiter: "{shown}"}}`, or give --delimiter to `ssgan init`'
    return f"its columns seem to be separated by {mark!r}: {how}"


def short(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
