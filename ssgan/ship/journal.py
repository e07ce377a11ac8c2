"""What is done of a long work, in a folder beside its result.

Each part is there whole or not at all, also after a kill.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ssgan.errors import BusyError
from ssgan.records import write_atomically

_ABOUT = "about.json"


@dataclass(frozen=True)
class Journal:
    """Tables that were finished, by number and kind."""

    folder: Path
    found: int  # parts that an earlier run has left

    def read(self, number: int, kind: str) -> pa.Table | None:
        """A table that was written before; None where it was not, or cannot be read."""
        path = self._path(number, kind)
        try:
            with pa.OSFile(str(path)) as file:
                return pa.ipc.open_file(file).read_all()
        except (OSError, pa.ArrowException):
            return None

    def write(self, number: int, kind: str, table: pa.Table) -> None:
        """Adds a table."""
        path = self._path(number, kind)
        fresh = path.with_suffix(".new")
        with pa.OSFile(str(fresh), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        fresh.replace(path)

    def _path(self, number: int, kind: str) -> Path:
        return self.folder / f"{number:08d}.{kind}.arrow"


def parts_of(result: Path) -> Path:
    """Where what is done of a result lies."""
    return result.with_name(f".{result.name}.parts")


@contextlib.contextmanager
def journal(result: Path, about: dict[str, object]) -> Iterator[Journal]:
    """Opens the journal of the work that makes `result`, and removes it when the block ends well.

    Args:
        result: the file to be made; the journal lies beside it.
        about: all that the work depends on; parts of other work are thrown away.

    Raises:
        BusyError: if another process is making the same file.
    """
    folder = parts_of(result)
    folder.mkdir(exist_ok=True)
    with _held(folder, result):
        text = json.dumps(about, sort_keys=True, indent=1) + "\n"
        known = folder / _ABOUT
        if not known.is_file() or known.read_text(encoding="utf-8") != text:
            for each in folder.iterdir():
                each.unlink()
            write_atomically(known, text)
        yield Journal(folder, len([*folder.glob("*.answers.arrow")]))
        shutil.rmtree(folder)


@contextlib.contextmanager
def _held(folder: Path, result: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"another process is writing {result}; wait for it, or name another file") from None
        yield
    finally:
        os.close(handle)
