"""What the report says, before it is known how it will look: sections of text, tables and figures.

`page.py` writes it as HTML, `card.py` as Markdown; so both say the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

PLACES = ("verdict", "gate", "lineage")  # what the gate fills in, when the page is there already


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what it says, what small print says below it, and the dot before it."""

    text: str
    small: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; `strong` stands before it."""

    text: str
    strong: str = ""


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows under a head; the first cell of each row names it. `prose` cells may break into lines."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell | str, ...], ...]
    prose: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture, what it shows in words, and the numbers behind it."""

    name: str  # of its files, and of the ids within it
    svg: str
    alt: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]

    def csv(self) -> str:
        """The numbers as CSV; floats to six digits, so that rounding of the machine does not show."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.head)
        writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in self.rows)
        return text.getvalue()


@dataclass(frozen=True)
class Fold:
    """What is shown on demand."""

    summary: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Place:
    """Where the gate puts in its part, one of `PLACES`; until then it says `blocks`."""

    name: str
    blocks: tuple[Block, ...]


Block = Text | Items | Table | Figure | Fold | Place


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Tile:
    """A number of the opening."""

    above: str
    value: str
    below: str


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    kicker: str
    sentence: str
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]

    def figures(self) -> Sequence[Figure]:
        """Every figure, in the order in which they come."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Figure)]


def placed(name: str, text: str) -> str:
    """A place of that name, in HTML or in Markdown, with what stands in it now."""
    start, end = _marks(name)
    return start + text + end


def replaced(text: str, name: str, inner: str) -> str:
    """A page or card with something else in one of its places."""
    start, end = _marks(name)
    before, _, rest = text.partition(start)
    return before + placed(name, inner) + rest.partition(end)[2]


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->\n\n", f"<!-- end of {name} -->\n\n"
