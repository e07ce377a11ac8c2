"""What is to be answered: a file or a folder of files, in pieces that do not depend on how fast they are read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.intake.read import CSV_SUFFIXES, INDEX, PARQUET_SUFFIXES, open_source
from ssgan.intake.source import Source, nearest
from ssgan.progress import say
from ssgan.ship.rows import Piece

PIECE_ROWS = 32_768
_BLOCK = 8 << 20  # bytes that are looked through for line ends at once
_QUIET_SECONDS = 1.0  # between two lines of progress


def find_files(source: Path, contract: Contract) -> list[Path]:
    """The files that a path stands for; each has the columns that the model needs.

    Raises:
        DataError: if there are none, or one cannot be read.
    """
    files = [source]
    if source.is_dir() and not (source / INDEX).is_file():
        kinds = CSV_SUFFIXES + PARQUET_SUFFIXES
        files = sorted(each for each in source.iterdir() if each.name.lower().endswith(kinds) and each.is_file())
        if not files:
            raise DataError(f"{source} holds no file whose name ends in {', '.join(kinds)}; name another folder")
    for file in files:
        _require_columns(open_source(file, contract), contract)
    return files


def pieces(files: Sequence[Path], contract: Contract) -> Iterator[Piece]:
    """The rows of all files, one after another.

    Raises:
        DataError: one sentence for whatever keeps the rest of a file from being read.
    """
    number = 0
    for file in files:
        start = 0
        for part in open_source(file, contract).parts():
            for at in range(0, part.num_rows, PIECE_ROWS):
                table = part.slice(at, PIECE_ROWS)
                yield Piece(number, file.name, start, table)
                number, start = number + 1, start + table.num_rows


def rows_in(files: Sequence[Path]) -> int | None:
    """About how many rows there are; None where only reading would tell."""
    counts = [_rows_of(file) for file in files]
    return None if None in counts else sum(filter(None, counts))


def _rows_of(file: Path) -> int | None:
    name = file.name.lower()
    if name.endswith(PARQUET_SUFFIXES):
        return int(pq.read_metadata(file).num_rows)
    if not name.endswith(CSV_SUFFIXES):
        return None
    with file.open("rb", buffering=0) as handle:
        return max(sum(block.count(b"\n") for block in iter(lambda: handle.read(_BLOCK), b"")) - 1, 1)


def _require_columns(source: Source, contract: Contract) -> None:
    for name in contract.features:
        if name not in source.columns:
            near = nearest(name, source.columns)
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(source.columns[:8])}"
            raise DataError(f"{source.path.name} has no column `{name}`, which the model needs; {hint}")


class Pace:
    """Tells how far the work is, how fast it goes, and how long it will take."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.done = 0
        self._start = self._told = time.monotonic()

    def add(self, rows: int) -> None:
        """Counts finished rows, and says so from time to time."""
        self.done += rows
        now = time.monotonic()
        if now - self._told >= _QUIET_SECONDS:
            self._told = now
            say(self.line(now - self._start))

    def line(self, seconds: float) -> str:
        """After so many seconds."""
        rate = self.done / seconds
        if self.total is None:
            return f"score: {self.done:,} rows, {rate:,.0f} rows/s"
        left = f", {max(self.total - self.done, 0) / rate:.0f} s left" if rate else ""
        return f"score: {self.done:,} of {self.total:,} rows, {rate:,.0f} rows/s{left}"
