"""Quarantined images as a folder that a person can look at and mend: an index, and each image as a file."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from ssgan.contract import ORIGIN
from ssgan.intake.formats import FILE
from ssgan.intake.judged import ROW
from ssgan.intake.pictures import PNG

NAME_AT_MOST = 100  # characters of a file's own name that are kept


def image_column(table: pa.Table) -> str | None:
    """The name of the column that holds images, if one does."""
    return next((field.name for field in table.schema if pa.types.is_binary(field.type)), None)


def write_images(table: pa.Table, image: str, folder: Path) -> pa.Table:
    """Writes each image into a folder; where there was none, the file is for the user to put there.

    Returns:
        The rows for the folder's index, with the names of the files in place of the images.
    """
    folder.mkdir(parents=True)
    contents = table.column(image).to_pylist()
    origins = table.column(ORIGIN).to_pylist() if ORIGIN in table.column_names else [None] * len(contents)
    names = []
    for row, content, origin in zip(table.column(ROW).to_pylist(), contents, origins, strict=True):
        names.append(_name(row, content, origin))
        if content is not None:
            (folder / names[-1]).write_bytes(content)
    rows = table.set_column(table.column_names.index(image), FILE, pa.array(names, pa.string()))
    return rows.drop_columns([ORIGIN]) if ORIGIN in rows.column_names else rows


def _name(row: int, content: bytes | None, origin: str | None) -> str:
    """The row's number, which no other has, and the name that the file came with."""
    own = re.sub(r"[^\w.-]", "_", (origin or "").strip().rpartition("/")[2])[-NAME_AT_MOST:]
    name = f"{row}-{own}" if own else f"{row}.png"
    is_png = content is not None and content.startswith(PNG)
    return str(Path(name).with_suffix(".png")) if is_png else name
