"""Opens a file of any format as parts of a table: CSV with every cell as text, Parquet with the types it has."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ssgan.contract import Contract, TextFiles
from ssgan.errors import DataError
from ssgan.intake.csv_file import open_csv_file
from ssgan.intake.source import Source, checked_names, is_number, nearest, short, why_one_name

CSV_SUFFIXES = (".csv", ".data", ".txt", ".tsv")
PARQUET_SUFFIXES = (".parquet", ".pq")
PICTURE_SUFFIXES = (".mat", ".npz", "-ubyte", "-ubyte.gz", ".idx3", ".idx3.gz")
IMAGE = "image"  # what the images of a set are called until a contract says otherwise
INDEX = "index.csv"  # of a folder of images: one line per image
PART_ROWS = 100000  # of Parquet that are in memory at once
_BUFFER = 1 << 20  # bytes of a column that are read ahead
_STANDARD = TextFiles()


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

    Of a folder the names count too, by which its index knows the images.

    Raises:
        DataError: if a file cannot be read.
    """
    from ssgan.intake.formats import files_of

    try:
        digests = [_file_sha256(each) + _name_within(each, path) for each in files_of(path)]
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}; check its permissions") from None
    lone = len(digests) == 1 and not path.is_dir()
    return digests[0] if lone else hashlib.sha256("".join(digests).encode()).hexdigest()


def _name_within(file: Path, folder: Path) -> str:
    return f" {file.relative_to(folder).as_posix()}\n" if folder.is_dir() else ""


def _file_sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def open_source(path: Path, contract: Contract) -> Source:
    """Opens a file of any format; CSV as the contract declares it.

    Raises:
        DataError: one sentence for whatever keeps the file from being a table.
    """
    image = next(iter(contract.features)) if contract.image is not None else None
    return _open(path, image, contract.label.column, contract.files, contract.features)


def read_undeclared(path: Path, label: str, text: TextFiles = _STANDARD) -> pa.Table:
    """Reads a whole file of any format for which there is no contract yet.

    Args:
        path: of the file.
        label: what the column of the labels is called, or is to be called; images are called `image`.
        text: how a CSV is written.

    Raises:
        DataError: one sentence for whatever keeps the file from being a table with at least one row.
    """
    source = _open(path, IMAGE, label, text)
    return pa.concat_tables(source.parts()).combine_chunks().select(source.columns)


def _open(path: Path, image: str | None, label: str, text: TextFiles, columns: Collection[str] | None = None) -> Source:
    from ssgan.intake.formats import open_arrays, open_pictures

    check_file(path)
    if path.suffix.lower() == ".npz":
        return open_arrays(path, columns)
    if not path.is_dir() and not path.name.lower().endswith(PICTURE_SUFFIXES):
        return open_table(path, text)
    if image is None:
        raise DataError(f"{path.name} holds images, and the contract has no image column; declare one, or name a table")
    return open_pictures(path, image, label, text)


def open_table(path: Path, text: TextFiles = _STANDARD) -> Source:
    """Opens CSV or Parquet; a CSV gives string columns, untouched but for the names, which lose surrounding blanks.

    Raises:
        DataError: one sentence for whatever keeps the file from being a table.
    """
    check_file(path)
    if path.is_dir() or not path.name.lower().endswith(CSV_SUFFIXES + PARQUET_SUFFIXES):
        raise DataError(f"{path.name} holds images, not a table; name a CSV or Parquet file")
    try:
        return _open_parquet(path) if path.suffix.lower() in PARQUET_SUFFIXES else open_csv_file(path, text)
    except OSError as error:
        raise DataError(
            f"{path.name} cannot be read: {error.strerror or short(error)}; check its permissions"
        ) from None


def require_label(path: Path, names: Sequence[str], label: str, otherwise: str = "") -> None:
    """Makes sure that the label column is there.

    Args:
        path: Of the file.
        names: Its columns.
        label: What the label column is called.
        otherwise: What to do where it is not there under any name.

    Raises:
        DataError: if it is not, with the likely cause.
    """
    if label in names:
        return
    raise DataError(f"{path.name} has no label column `{label}`; {_why_no_label(names, label, otherwise)}")


def _why_no_label(names: Sequence[str], label: str, otherwise: str) -> str:
    if any(is_number(name) for name in names):
        return f"its first line looks like data ({', '.join(names[:3])}, ...): add a line of column names"
    near = nearest(label, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if len(names) == 1:
        return why_one_name(names[0])
    there = f"it has {', '.join(f'`{name}`' for name in names[:8])}{', ...' if len(names) > 8 else ''}"
    return f"{there}; {otherwise}" if otherwise else there


def _open_parquet(path: Path) -> Source:
    try:
        with pq.ParquetFile(path) as file:
            names = checked_names(file.schema_arrow.names, path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # Arrow's own have none
            raise
        raise _no_parquet(path, error) from None

    def read() -> Iterator[pa.Table]:
        try:
            # In blocks, since a file may be one row group, whose columns would be read whole otherwise.
            with pq.ParquetFile(path, memory_map=False, buffer_size=_BUFFER, pre_buffer=False) as file:
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
    return DataError(f"{path.name} is not a readable Parquet file: {short(error)}; write it again")
