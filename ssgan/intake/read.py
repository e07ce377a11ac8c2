"""Reads one file into a table: CSV with every cell as text, Parquet with the types it has."""

from __future__ import annotations

import csv
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ssgan.errors import DataError

CSV_SUFFIXES = (".csv", ".data", ".txt")
PARQUET_SUFFIXES = (".parquet", ".pq")
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"  # for Python's `re` and for Arrow
_READS = re.compile(NUMBER)
_LONGEST_ROW = 64 << 20  # bytes; Arrow's own limit of 1 MiB refuses a row with one very long cell


def check_file(path: Path) -> None:
    """Makes sure that there is something to read.

    Raises:
        DataError: if there is no such file, it is no file, it is empty, or its name says neither CSV nor Parquet.
    """
    if path.is_dir():
        raise DataError(f"{path} is a directory; name one CSV or Parquet file in it")
    if not path.is_file():
        raise DataError(f"there is no file {path}; give the path of a CSV or Parquet file")
    if path.suffix.lower() not in CSV_SUFFIXES + PARQUET_SUFFIXES:
        kinds = ", ".join(CSV_SUFFIXES + PARQUET_SUFFIXES)
        raise DataError(f"{path.name} is neither CSV nor Parquet by its name; it must end in one of {kinds}")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes); a batch needs a line of column names and at least one row")


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: if the file cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}; check its permissions") from None


def read_table(path: Path) -> pa.Table:
    """Reads a file; a CSV gives string columns, untouched but for the names, which lose surrounding blanks.

    Raises:
        DataError: one sentence for whatever keeps the file from being a table with at least one row.
    """
    check_file(path)
    try:
        table = _read_parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else _read_csv(path)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}; check its permissions") from None
    if table.num_rows == 0:
        raise DataError(f"{path.name} has column names but no data rows; a batch needs at least one row")
    return table.combine_chunks()


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that is most like `name`, if one is."""
    folded = {each.casefold(): each for each in names}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def is_number(word: str) -> bool:
    """Whether a word reads as a finite number."""
    return _READS.fullmatch(word) is not None


def require_label(path: Path, names: Sequence[str], label: str) -> None:
    """Makes sure that the label column is there.

    Raises:
        DataError: if it is not, with the likely cause.
    """
    if label in names:
        return
    raise DataError(f"{path.name} has no label column `{label}`; {_why_no_label(names, label)}")


def _why_no_label(names: Sequence[str], label: str) -> str:
    if any(is_number(name) for name in names):
        return f"its first line looks like data ({', '.join(names[:3])}, ...): add a line of column names"
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        return "its columns are not separated by commas: write it with commas"
    near = nearest(label, names)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"it has {', '.join(f'`{name}`' for name in names[:8])}{', ...' if len(names) > 8 else ''}"


def _read_parquet(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            names = _checked_names(file.schema_arrow.names, path)
            return file.read().rename_columns(names).replace_schema_metadata(None)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is not a readable Parquet file: {_short(error)}; write it again") from None


def _read_csv(path: Path) -> pa.Table:
    raw = _header(path)
    names = _checked_names(raw, path)
    try:
        table = _parse_csv(path, raw, parallel=True)
    except pa.ArrowInvalid as error:
        raise DataError(_why_no_csv(path, raw, error)) from None
    return table.rename_columns(names)


def _parse_csv(path: Path, raw_names: Sequence[str], *, parallel: bool, on_bad_row: object = None) -> pa.Table:
    size = max(1 << 20, min(path.stat().st_size + 1, _LONGEST_ROW))
    return pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(use_threads=parallel, block_size=size),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=on_bad_row),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(raw_names, pa.string()), strings_can_be_null=False, null_values=[]
        ),
    )


def _header(path: Path) -> list[str]:
    """The names in the first line that is not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return next((line for line in csv.reader(handle) if line), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not text in UTF-8 ({_short(error)}); write it as UTF-8") from None


def _checked_names(raw: Sequence[str], path: Path) -> list[str]:
    names = [name.strip() for name in raw]
    if not any(names):
        raise DataError(f"{path.name} has no column names; its first line must name the columns")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if any(is_number(name) for name in twice):
        start = ", ".join(names[:3])
        raise DataError(f"{path.name}: its first line looks like data ({start}, ...); add a line of column names")
    if twice:
        raise DataError(f"{path.name} has more than one column named `{twice[0]}`; every name must be there once")
    return names


def _why_no_csv(path: Path, raw_names: Sequence[str], error: Exception) -> str:
    text = str(error)
    if "UTF8" in text:
        return f"{path.name} holds bytes that are not UTF-8 text; write it as UTF-8"
    if "straddling" in text:
        return (
            f"{path.name} has a row of more than {_LONGEST_ROW >> 20} MiB, or a quote that never closes; mend that row"
        )
    if "Empty CSV" in text:
        return f"{path.name} has column names but no data rows; a batch needs at least one row"
    ragged = _first_ragged_row(path, raw_names)
    if ragged is None:
        return f"{path.name} is not a readable CSV file: {_short(error)}"
    row, expected, actual = ragged
    return (
        f"{path.name}: data row {row} has {actual} cells where the first line names {expected} columns; "
        "mend that row (a comma inside a cell needs quotes around the cell)"
    )


def _first_ragged_row(path: Path, raw_names: Sequence[str]) -> tuple[int, int, int] | None:
    """Reads again on one thread, where Arrow knows the row's number: (data row, cells expected, cells found)."""
    found: list[tuple[int, int, int]] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        found.append((row.number - 1, row.expected_columns, row.actual_columns))  # the names are row 1
        return "skip"

    try:
        _parse_csv(path, raw_names, parallel=False, on_bad_row=note)
    except pa.ArrowInvalid:
        return found[0] if found else None
    return found[0] if found else None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
