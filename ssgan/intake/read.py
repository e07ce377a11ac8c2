"""Reads one file into parts of a table: CSV with every cell as text, Parquet with the types it has, pictures as PNG."""

from __future__ import annotations

import csv
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ssgan.contract import Contract, TextFiles
from ssgan.errors import DataError

CSV_SUFFIXES = (".csv", ".data", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
PICTURE_SUFFIXES = (".mat", ".npz", "-ubyte", "-ubyte.gz", ".idx3", ".idx3.gz")
INDEX = "index.csv"  # of a folder of images: one line per image
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"  # for Python's `re` and for Arrow
PART_ROWS = 250_000  # of Parquet that are in memory at once
_READS = re.compile(NUMBER)
_BLOCK = 1 << 20  # bytes that Arrow takes at once: what stays in the processor's cache is read in a quarter of the time
_LONGEST_ROW = 16 << 20  # bytes; a row that does not fit into a block is read with blocks as large as this
_CSV_PART = 16 << 20  # bytes of CSV that are in memory at once
_STANDARD = TextFiles()


@dataclass
class Source:
    """A file as a sequence of tables; the same parts each time. The only part of a small file stays in memory."""

    path: Path
    columns: tuple[str, ...]
    read: Callable[[], Iterator[pa.Table]]
    _only: pa.Table | None = field(default=None, repr=False)

    def parts(self) -> Iterator[pa.Table]:
        """The tables, one after another, each with at least one row.

        Raises:
            DataError: one sentence for whatever keeps the rest from being read.
        """
        if self._only is not None:
            yield self._only
            return
        count, first = 0, None
        for part in self.read():
            if part.num_rows:
                count += 1
                first = part if count == 1 else None
                yield part
        if count == 0:
            raise DataError(f"{self.path.name} has column names but no data rows; a batch needs at least one row")
        self._only = first


def check_file(path: Path) -> None:
    """Makes sure that there is something to read.

    Raises:
        DataError: if there is no such file, it is empty, or its name says none of the formats.
    """
    if path.is_dir():
        if not (path / INDEX).is_file():
            raise DataError(
                f"{path} is a directory without {INDEX}; name one file in it, or add that list of its images"
            )
        return
    if not path.is_file():
        raise DataError(f"there is no file {path}; give the path of a CSV or Parquet file")
    if not path.name.lower().endswith(CSV_SUFFIXES + PARQUET_SUFFIXES + PICTURE_SUFFIXES):
        kinds = ", ".join(CSV_SUFFIXES + PARQUET_SUFFIXES + PICTURE_SUFFIXES)
        raise DataError(f"{path.name} is neither CSV nor Parquet nor images by its name; it must end in one of {kinds}")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes); a batch needs a line of column names and at least one row")


def sha256_of(path: Path) -> str:
    """The sha256 of everything that belongs to a batch, in hexadecimal: of a lone file, that of its bytes.

    Raises:
        DataError: if a file cannot be read.
    """
    from ssgan.intake.formats import files_of

    try:
        digests = [_file_sha256(each) for each in files_of(path)]
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}; check its permissions") from None
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _file_sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def open_source(path: Path, contract: Contract) -> Source:
    """Opens a file of any format; CSV as the contract declares it.

    Raises:
        DataError: one sentence for whatever keeps the file from being a table.
    """
    check_file(path)
    if path.is_dir() or path.name.lower().endswith(PICTURE_SUFFIXES):
        from ssgan.intake.formats import open_pictures

        return open_pictures(path, contract)
    return open_table(path, contract.files)


def open_table(path: Path, text: TextFiles = _STANDARD) -> Source:
    """Opens CSV or Parquet; a CSV gives string columns, untouched but for the names, which lose surrounding blanks.

    Raises:
        DataError: one sentence for whatever keeps the file from being a table.
    """
    check_file(path)
    if path.suffix.lower() not in CSV_SUFFIXES + PARQUET_SUFFIXES:
        raise DataError(f"{path.name} holds images, not a table; name a CSV or Parquet file")
    try:
        return _open_parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else _open_csv(path, text)
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read: {error.strerror or _short(error)}; check its permissions"
        ) from None


def read_table(path: Path, text: TextFiles = _STANDARD) -> pa.Table:
    """Reads a whole CSV or Parquet file.

    Raises:
        DataError: one sentence for whatever keeps the file from being a table with at least one row.
    """
    return pa.concat_tables(open_table(path, text).parts()).combine_chunks()


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
    if len(names) == 1 and any(mark in names[0] for mark in ",;\t|"):
        mark = next(mark for mark in ";\t|," if mark in names[0])
        how = f"declare it in the contract as `files: {{delimiter: {mark!r}}}`"
        return f"its columns seem to be separated by {mark!r}: {how}"
    near = nearest(label, names)
    if near is not None:
        return f"did you mean `{near}`?"
    return f"it has {', '.join(f'`{name}`' for name in names[:8])}{', ...' if len(names) > 8 else ''}"


def _open_parquet(path: Path) -> Source:
    try:
        with pq.ParquetFile(path) as file:
            names = _checked_names(file.schema_arrow.names, path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # Arrow's own have none
            raise
        raise _no_parquet(path, error) from None

    def read() -> Iterator[pa.Table]:
        try:
            # In blocks, since a file may be one row group, whose columns would be read whole otherwise.
            with pq.ParquetFile(path, memory_map=False, buffer_size=_BLOCK, pre_buffer=False) as file:
                for batch in file.iter_batches(batch_size=PART_ROWS):
                    part = pa.Table.from_batches([batch]).rename_columns(names).replace_schema_metadata(None)
                    part.validate(full=True)
                    yield part
        except MemoryError:
            raise DataError(f"{path.name} needs more memory than there is; write smaller row groups") from None
        except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
            raise _no_parquet(path, error) from None

    return Source(path, tuple(names), read)


def _no_parquet(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name} is not a readable Parquet file: {_short(error)}; write it again")


def _open_csv(path: Path, text: TextFiles) -> Source:
    raw = _header(path, text)
    names = _checked_names(raw, path)

    def read() -> Iterator[pa.Table]:
        try:
            for part in _csv_parts(path, raw, text):
                yield part.rename_columns(names)
        except (pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise DataError(_why_no_csv(path, raw, text, error)) from None
        except OSError as error:
            raise DataError(f"{path.name} cannot be read: {error.strerror or _short(error)}; try again") from None

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
            return next((line for line in csv.reader(handle, delimiter=text.delimiter) if line), [])
    except (UnicodeError, csv.Error) as error:
        raise DataError(f"{path.name} is not text in {_said(text)} ({_short(error)}); {_mend_encoding(text)}") from None


def _said(text: TextFiles) -> str:
    return text.encoding.upper()


def _mend_encoding(text: TextFiles) -> str:
    return f"write it as {_said(text)}, or declare in the contract how it is written: `files: {{encoding: ...}}`"


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


def _why_no_csv(path: Path, raw_names: Sequence[str], text: TextFiles, error: Exception) -> str:
    said = str(error)
    if "UTF8" in said or "codec can't" in said:
        return f"{path.name} holds bytes that are not {_said(text)} text; {_mend_encoding(text)}"
    if "straddling" in said:
        return (
            f"{path.name} has a row of more than {_LONGEST_ROW >> 20} MiB, or a quote that never closes; mend that row"
        )
    if "Empty CSV" in said:
        return f"{path.name} has column names but no data rows; a batch needs at least one row"
    ragged = _first_ragged_row(path, raw_names, text)
    if ragged is None:
        return f"{path.name} is not a readable CSV file: {_short(error)}"
    row, expected, actual = ragged
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


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
