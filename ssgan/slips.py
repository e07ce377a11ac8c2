"""Slips of a hand that writes a contract: what YAML lets pass, and what Pydantic would tell in words of its own.

YAML silently takes the last of two equal keys. And as cells and column names lose the blanks around them when they are
read, a word with such blanks in the contract would never be found.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from ssgan.sections import no_flag, no_number

Location = tuple[int | str, ...]
# What a column says of itself, by what it must be. Pydantic, which allows no check of all its fields at once, would
# take `yes` for 1 and 1 for `yes`.
_SAID = {
    **dict.fromkeys(("integer", "nullable"), no_flag),
    **dict.fromkeys(("drift_at_most", "height", "width", "channels"), no_number),
}


class Slip(NamedTuple):
    """What is wrong, and in which line, from 1."""

    line: int
    said: str


def first_slip(content: dict[str, Any], node: yaml.Node | None) -> Slip | None:
    """The first slip in a contract, as it was read and as it stands in the file; None if there is none."""
    twice = _repeated_key(node)
    if twice is not None:
        return Slip(twice[1], f"`{twice[0]}` is there twice; every key must be there once")
    where, said = next(_slips(content), (None, ""))
    return None if where is None else Slip(line_of(node, where), said)


def _slips(content: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    label = content.get("label")
    if label is not None and not isinstance(label, dict):
        yield ("label",), f"`label` is {label!r}: say more of it in braces, such as {{column: y, classes: [ill, well]}}"
    columns = content.get("columns")
    for name, column in columns.items() if isinstance(columns, dict) else ():
        where: Location = ("columns", name)
        if not isinstance(name, str):
            yield where, f"the column name {name!r} must be a word; quote it as it stands in the file"
        elif not isinstance(column, dict):
            yield where, f"`columns.{name}` is {column!r}: say what it is in braces, such as {{type: number}}"
        else:
            yield from _blanks(where, [name])
            yield from _blanks((*where, "values"), column.get("values"))
            yield from _mistaken(where, column)
    if isinstance(label, dict):
        yield from _blanks(("label", "column"), [label.get("column")])
        yield from _blanks(("label", "classes"), label.get("classes"))
        yield from _blanks(("label", "unlabelled"), label.get("unlabelled"))


def _mistaken(where: Location, column: dict[str, Any]) -> Iterator[tuple[Location, str]]:
    for key, wrong in _SAID.items():
        said = wrong(column[key]) if column.get(key) is not None else None
        if said is not None:
            yield (*where, key), f"`{'.'.join(map(str, where))}.{key}` is {column[key]!r}: {said}"


def _blanks(where: Location, words: Any) -> Iterator[tuple[Location, str]]:
    for word in words if isinstance(words, list) else ():
        if isinstance(word, str) and word != word.strip():
            place = "the column name" if word in where else f"`{'.'.join(map(str, where))}`:"
            told = f"{word!r} has blanks around it, which files lose when they are read; write {word.strip()!r}"
            yield where, f"{place} {told}"


def _repeated_key(node: yaml.Node | None) -> tuple[str, int] | None:
    """The first key that stands twice in one mapping, and its line; YAML itself would silently take the last."""
    if isinstance(node, yaml.SequenceNode):
        return next((found for each in node.value if (found := _repeated_key(each))), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            return key.value, key.start_mark.line + 1
        seen.add(key.value)
        found = _repeated_key(value)
        if found is not None:
            return found
    return None


def line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The line (from 1) of the deepest part of a location that the file has; names of union members are passed over."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
