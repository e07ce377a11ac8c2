"""The report as one HTML file: it opens without a network, on a phone and in print, in light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ssgan.judge.document import (
    Block,
    Cell,
    Document,
    Figure,
    Fold,
    Items,
    Place,
    Section,
    Table,
    Text,
    Tile,
    placed,
    replaced,
)
from ssgan.judge.style import CSS


def page(document: Document) -> str:
    """The whole page."""
    body = _opening(document) + "".join(_section(each) for each in document.sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(document.title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def fill(text: str, name: str, blocks: Sequence[Block]) -> str:
    """A page with other blocks in one of its places."""
    return replaced(text, name, _blocks(blocks))


def _opening(document: Document) -> str:
    tiles = "".join(_tile(each) for each in document.tiles)
    verdict, _, why = document.sentence.partition(": ")
    return (
        f'<header>\n<p class="kicker">{_text(document.kicker)}</p>\n'
        f"<h1>{_text(verdict)}: <span>{_text(why)}</span></h1>\n"
        f'{placed("verdict", "")}<ul class="tiles">{tiles}</ul>\n</header>\n'
    )


def _tile(tile: Tile) -> str:
    return f"<li><span>{_text(tile.above)}</span><b>{_text(tile.value)}</b><span>{_text(tile.below)}</span></li>"


def _section(section: Section) -> str:
    return f"<section>\n<h2>{_text(section.title)}</h2>\n{_blocks(section.blocks)}</section>\n"


def _blocks(blocks: Sequence[Block]) -> str:
    return "".join(_block(each) for each in blocks)


def _block(block: Block) -> str:
    match block:
        case Text():
            strong = f"<b>{_text(block.strong)}</b> " if block.strong else ""
            return f"<p>{strong}{_text(block.text)}</p>\n"
        case Items():
            return f"<ul>{''.join(f'<li>{_text(each)}</li>' for each in block.items)}</ul>\n"
        case Table():
            return _table(block)
        case Figure():
            return _figure(block)
        case Fold():
            return f"<details><summary>{_text(block.summary)}</summary>{_blocks(block.blocks)}</details>\n"
        case Place():
            return placed(block.name, _blocks(block.blocks))


def _figure(figure: Figure) -> str:
    return (
        f'<figure><div role="img" aria-label="{escape(figure.alt)}">{figure.svg}</div>'
        f"<figcaption>{_text(figure.note)} <small>Data: figures/{figure.name}.csv</small></figcaption></figure>\n"
    )


def _table(table: Table) -> str:
    top = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in table.head)
    rows = "".join(
        f'<tr><th scope="row">{_cell(first)}</th>{"".join(f"<td>{_cell(cell)}</td>" for cell in rest)}</tr>\n'
        for first, *rest in table.rows
    )
    kind = "wide prose" if table.prose else "wide"
    return f'<div class="{kind}"><table><thead><tr>{top}</tr></thead><tbody>\n{rows}</tbody></table></div>\n'


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return _text(cell)
    dot = f'<i style="background:{cell.colour}"></i>' if cell.colour else ""
    small = f"<small>{_text(cell.small)}</small>" if cell.small else ""
    return f"{dot}{_text(cell.text)}{small}"


def _text(text: str) -> str:
    """Escaped; a number and its percent sign stay on one line."""
    return escape(text).replace(" %", "&nbsp;%")
