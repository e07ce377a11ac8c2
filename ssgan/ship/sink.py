"""Where answers go: Parquet files that appear whole, or not at all."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq


class Sink:
    """Writes answers to one file and refused rows, if there are any, to another beside it."""

    def __init__(self, out: Path, folder: Path) -> None:
        """Until they are finished, the files lie in `folder`, which whoever made it removes."""
        self.answered = self.refused = 0
        self._answers = _File(out, folder)
        self._refused = _File(quarantine_of(out), folder)

    def write(self, answers: pa.Table, refused: pa.Table | None) -> None:
        """Adds a piece."""
        marked = answers.num_rows - answers.column("refused").null_count
        self.answered += answers.num_rows - marked
        self.refused += marked + (refused.num_rows if refused is not None else 0)
        self._answers.write(answers)
        if refused is not None:
            self._refused.write(refused)

    def close(self) -> Path | None:
        """Puts the files in their places; returns the one of the refused rows, if there are any."""
        self._refused.close()  # both are whole before either gets its name
        self._answers.close()
        held = self._refused.finish()
        self._answers.finish()
        return held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._answers.close()
        self._refused.close()


def quarantine_of(out: Path) -> Path:
    """Where bad rows go beside the answers."""
    return out.with_name(f"{out.stem}.quarantine.parquet")


class _File:
    """A Parquet file that lies elsewhere until it is finished; one row group per table."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self._fresh = folder / path.name
        self._writer: Any = None

    def write(self, table: pa.Table) -> None:
        if self._writer is None:
            words = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
            self._writer = pq.ParquetWriter(self._fresh, table.schema, use_dictionary=words)
        if table.num_rows:
            self._writer.write_table(table)

    def finish(self) -> Path | None:
        """Moves the file to its place; without any table there is none, nor one of an earlier run."""
        if self._writer is None:
            self.path.unlink(missing_ok=True)
            return None
        self.close()
        self._fresh.replace(self.path)
        return self.path

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
