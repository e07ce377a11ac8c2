"""CSV as the contract declares it, read by Arrow with every cell as text; and why a file is none."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from ssgan.contract import TextFiles
from ssgan.errors import DataError
from ssgan.intake.source import Source, checked_names, short, why_one_name

_BLOCK = 1 << 20  # bytes that Arrow takes at once: what stays in the processor's cache is read in a quarter of the time
_LONGEST_ROW = 16 << 20  # bytes; a row that does not fit into a block is read with blocks as large as this
_CSV_PART = 16 << 20  # bytes of CSV that are in memory at once


def open_csv_file(path: Path, text: TextFiles) -> Source:
    raw = _header(path, text)
    names = checked_names(raw, path)

    def read() -> Iterator[pa.Table]:
        try:
            for part in _csv_parts(path, raw, text):
                yield part.rename_columns(names)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise DataError(_why_no_csv(path, raw, text, error)) from None
        except OSError as error:
            raise DataError(f"{path.name} cannot be read: {error.strerror or short(error)}; try again") from None

    return Source(path, tuple(names), read)


def _csv_parts(path: Path, raw: Sequence[str], text: TextFiles) -> Iterator[pa.Table]:
    """The rows in parts of about `_CSV_PART` bytes; at a row that is longer than a block, the rest in larger blocks."""
    done = 0
    for size in (_BLOCK, _LONGEST_ROW):
        at = 0
        try:
            for part in _gathered(path, raw, text, size):
                fresh = part.slice(min(max(done - at, 0), part.num_rows))
                at += part.num_rows
                if fresh.num_rows:
                    done = at
                    yield fresh
            return
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or size == _LONGEST_ROW:
                raise


def _gathered(path: Path, raw: Sequence[str], text: TextFiles, size: int) -> Iterator[pa.Table]:
    """Blocks of `size` bytes put together to parts."""
    waiting: list[pa.RecordBatch] = []
    with pyarrow.csv.open_csv(path, **_csv_options(raw, text, size)) as reader:
        for batch in reader:
            waiting.append(batch)
            if len(waiting) * size >= _CSV_PART:
                yield pa.Table.from_batches(waiting).combine_chunks()
                waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _csv_options(raw_names: Sequence[str], text: TextFiles, size: int, on_bad_row: object = None) -> dict[str, object]:
    return {
        "read_options": pyarrow.csv.ReadOptions(
            use_threads=on_bad_row is None, block_size=size, encoding=text.encoding
        ),
        "parse_options": pyarrow.csv.ParseOptions(
            delimiter=text.delimiter, newlines_in_values=True, invalid_row_handler=on_bad_row
        ),
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(raw_names, pa.string()), strings_can_be_null=False, null_values=[]
        ),
    }


def _header(path: Path, text: TextFiles) -> list[str]:
    """The names in the first line that is not empty."""
    encoding = "utf-8-sig" if text.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else text.encoding
    try:
        with path.open(encoding=encoding, newline="") as handle:
            names = next((line for line in csv.reader(handle, delimiter=text.delimiter) if line), [])
    except (UnicodeError, csv.Error) as error:
        raise DataError(
            f"{path.name} is not text in {_said(text)} ({short(error)}); {_mend_encoding(path, text)}"
        ) from None
    if names and names[0].casefold().startswith("sep="):
        raise DataError(f"{path.name} begins with the line `sep=`, which is for Excel alone: delete that line")
    return names


def _said(text: TextFiles) -> str:
    return text.encoding.upper()


def _mend_encoding(path: Path, text: TextFiles) -> str:
    with path.open("rb") as handle:
        wide = handle.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    likely = "utf-16, as it begins" if wide else "cp1252, as Windows writes in western Europe"
    return (
        f"write it as {_said(text)}, or declare in the contract how it is written: `files: {{encoding: ...}}`, such as "
        f"{likely} (--encoding of `ssgan init`)"
    )


def _why_no_csv(path: Path, raw_names: Sequence[str], text: TextFiles, error: Exception) -> str:
    said = str(error)
    if "UTF8" in said or "codec can't" in said:
        return f"{path.name} holds bytes that are not {_said(text)} text; {_mend_encoding(path, text)}"
    if "straddling" in said:
        return (
            f"{path.name} has a row of more than {_LONGEST_ROW >> 20} MiB, or a quote that never closes; mend that row"
        )
    if "Empty CSV" in said:
        return f"{path.name} has column names but no data rows; a batch needs at least one row"
    ragged = _first_ragged_row(path, raw_names, text)
    if ragged is None:
        return f"{path.name} is not a readable CSV file: {short(error)}"
    row, expected, actual = ragged
    if expected == 1:
        found = f"{path.name} names one column in its first line, and data row {row} has {actual} cells"
        return f"{found}; {why_one_name(raw_names[0])}"
    return (
        f"{path.name}: data row {row} has {actual} cells where the first line names {expected} columns; "
        f"mend that row (a {text.delimiter!r} inside a cell needs quotes around the cell)"
    )


def _first_ragged_row(path: Path, raw_names: Sequence[str], text: TextFiles) -> tuple[int, int, int] | None:
    """Reads again on one thread, where Arrow knows the row's number: (data row, cells expected, cells found)."""
    found: list[tuple[int, int, int]] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        found.append((row.number - 1, row.expected_columns, row.actual_columns))  # the names are row 1
        return "skip"

    try:
        pyarrow.csv.read_csv(path, **_csv_options(raw_names, text, _LONGEST_ROW, note))
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return found[0] if found else None
    return found[0] if found else None
