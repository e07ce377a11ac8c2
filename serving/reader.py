"""Reads one uploaded table in a process of its own: `python -m serving.reader FILE ROWS BYTES`.

The contract lies beside the file, as contract.json. Writes one line of JSON, then the rows as an Arrow stream.

A Parquet file can be a thousand times as large as it looks, and what it says of its size may be a lie; so the system
limits this process, and nobody else is harmed.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

MEMORY = 1 << 30  # bytes of address space
CPU_SECONDS = 20
BATCH_ROWS = 5_000
SPARE_COLUMNS = 1_000  # that a file may have beyond the contract's


def main() -> None:
    """Reads, says whether it could, and gives the rows."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path, rows_at_most, bytes_at_most = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    try:
        tables = _read(path, rows_at_most, bytes_at_most)
    except _Refused as refused:
        _say({"status": refused.status, "error": str(refused)})
        return
    except (MemoryError, pa.ArrowMemoryError):
        _say({"status": 413, "error": "the file needs more memory than is allowed; send it in parts"})
        return
    _say({"rows": sum(table.num_rows for table in tables)})
    with pa.ipc.new_stream(sys.stdout.buffer, tables[0].schema) as stream:
        for table in tables:
            stream.write_table(table, max_chunksize=BATCH_ROWS)


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _read(path: Path, rows_at_most: int, bytes_at_most: int) -> list:  # type: ignore[type-arg]  # of tables
    from ssgan.contract import Contract
    from ssgan.errors import UserError
    from ssgan.intake.read import open_table
    from ssgan.intake.source import nearest

    contract = Contract.model_validate_json((path.parent / "contract.json").read_text(encoding="utf-8"))
    _check_width(path, len(contract.columns) + SPARE_COLUMNS, contract.files.delimiter)
    if path.suffix == ".parquet":
        _check_metadata(path, rows_at_most)
    try:
        source = open_table(path, contract.files)
        for name in contract.features:
            if name not in source.columns:
                near = nearest(name, source.columns)
                hint = f"did you mean `{near}`?" if near else f"it has {', '.join(source.columns[:8])}"
                raise _Refused(400, f"the file has no column `{name}`, which the model needs; {hint}")
        wanted = [name for name in (contract.id, *contract.features) if name in source.columns]
        return list(_capped(source.parts(), wanted, rows_at_most, bytes_at_most))
    except UserError as error:
        raise _Refused(400, str(error).replace(path.name, "the file")) from None


def _capped(parts: Iterator, wanted: list[str], rows_at_most: int, bytes_at_most: int) -> Iterator:  # type: ignore[type-arg]
    from ssgan.intake.cells import column_of

    rows = size = 0
    import pyarrow as pa

    for part in parts:
        table = pa.table({name: column_of(part, name) for name in wanted})
        rows, size = rows + table.num_rows, size + table.nbytes
        if rows > rows_at_most:
            raise _Refused(413, f"the file has more than {rows_at_most} rows; send it in parts, or use `ssgan score`")
        if size > bytes_at_most:
            raise _Refused(413, f"the file's rows need more than {bytes_at_most} bytes; send it in parts")
        yield table


def _check_width(path: Path, columns_at_most: int, delimiter: str) -> None:
    """A first line of a million commas would make a million columns."""
    if path.suffix == ".csv":
        with path.open("rb") as file:
            if file.readline(16 << 20).count(delimiter.encode()) >= columns_at_most:
                raise _Refused(413, f"the file has more than {columns_at_most} columns; send those of the contract")


def _check_metadata(path: Path, rows_at_most: int) -> None:
    """What a Parquet file says of itself is looked at before anything of it is unpacked."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        text = " ".join(str(error).replace(str(path), "it").split())[:200]
        raise _Refused(400, f"the file is not a readable Parquet file: {text}; write it again") from None
    if about.num_rows > rows_at_most:
        raise _Refused(413, f"the file has {about.num_rows} rows, and {rows_at_most} are allowed; send it in parts")


def _say(told: dict[str, object]) -> None:
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
