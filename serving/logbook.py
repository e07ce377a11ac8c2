"""The prediction log: requests and answers as Parquet files, rotated by size and age. A process of its own.

    python -m serving.logbook FOLDER SERVE     # SERVE: the section `serve` of params.yaml, as JSON

What is to be written comes from the service through standard input, as messages: a line of JSON, and as many bytes
after it as its `size` says. When the input ends, what has been gathered is written.

    {"model": {...}, "contract": {...}}      lineage and contract of the model that gives the next answers
    {"asked": [[at, request, bytes of body, bytes of answer], ...], "size": n}     bodies and answers as they went
    {"table": at, "request": id, "size": n}  rows of a file and their answers, as an Arrow stream
    {}                                       nothing, but look at the clock
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from ssgan.config import ServeParams
from ssgan.contract import Contract, NumberColumn

Asked = Sequence[tuple[float, str, Any, Any]]  # when (seconds since 1970), request id, body, answer


class Logbook:
    """Gathers rows and writes them as whole files: a reader never sees half of one."""

    def __init__(self, folder: Path, params: ServeParams) -> None:
        self._folder = folder
        self._bytes_at_most = params.log_file_mb * 2**20
        self._seconds_at_most = params.log_file_minutes * 60
        self._days = params.log_days
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._since = 0.0
        self._numbers = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def add(self, table: pa.Table) -> None:
        """Gathers rows; those of another model have other columns and begin another file."""
        if self._tables and self._tables[0].schema != table.schema:
            self.close()
        if not self._tables:
            self._since = time.monotonic()
        self._tables.append(table)
        self._bytes += table.nbytes
        if self._bytes > self._bytes_at_most:
            self.close()

    def rotate(self) -> None:
        """Closes a file that is old enough."""
        if self._tables and time.monotonic() - self._since > self._seconds_at_most:
            self.close()

    def close(self) -> None:
        """Writes what has been gathered, and deletes what is too old."""
        if self._tables:
            self._write(self._tables)
            self._tables, self._bytes = [], 0
        limit = time.time() - self._days * 86_400
        for path in self._folder.glob("*.parquet"):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)

    def _write(self, tables: Sequence[pa.Table]) -> None:
        when = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
        path = self._folder / f"{when}-{os.getpid()}-{next(self._numbers):04}.parquet"
        fresh = path.with_suffix(".part")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            pq.write_table(pa.concat_tables(tables), target, compression="zstd")
        fresh.replace(path)


def rows_of(asked: Asked, contract: Contract, model: Mapping[str, str]) -> pa.Table:
    """JSON bodies and answers, of one record or of many, as rows."""
    records: list[Mapping[str, Any]] = []
    answers: list[Mapping[str, Any]] = []
    when: list[int] = []
    requests: list[str] = []
    for at, request, body, answer in asked:
        sent, said = from_json(body), from_json(answer)
        new = said.get("answers", [said])
        records += sent["records"] if "answers" in said else [sent]
        answers += new
        when += [int(at * 1e6)] * len(new)
        requests += [request] * len(new)
    columns = {"_at": pa.array(when, pa.timestamp("us", "UTC")), "_request": pa.array(requests, pa.string())}
    for name, column in contract.features.items():
        if name not in contract.log_without:
            columns[name] = _cells([record.get(name) for record in records], isinstance(column, NumberColumn))
    told = "label" if contract.classes else "value"
    columns[f"_{told}"] = pa.array([answer[told] for answer in answers])
    for name in contract.classes:
        columns[f"_probability_{name}"] = pa.array([answer["probabilities"][name] for answer in answers], pa.float64())
    for name in ("fake_probability", "unlike_training_data"):
        columns[f"_{name}"] = pa.array([answer[name] for answer in answers])
    return signed(pa.table(columns), model)


def signed(table: pa.Table, model: Mapping[str, str]) -> pa.Table:
    """Rows with the model that answered."""
    for name in ("model", "data_version", "git_commit"):
        table = table.append_column(f"_{name}", pa.array([model[name]] * table.num_rows).dictionary_encode())
    return table


def _cells(cells: list[Any], number: bool) -> pa.Array:
    if number:
        return pa.array(np.array(cells, np.float64), from_pandas=True)  # NaN is missing
    return pa.array(cells, pa.string())


def messages(source: IO[bytes]) -> Iterator[tuple[dict[str, Any], bytes]]:
    """What the service sends, until it ends; half a message, where it was killed, is nothing."""
    for line in source:
        head = json.loads(line)
        rest = source.read(head.get("size", 0))
        if len(rest) == head.get("size", 0):
            yield head, rest


def _parts(head: dict[str, Any], rest: bytes) -> Asked:
    view, at, found = memoryview(rest), 0, []
    for when, request, body, answer in head["asked"]:
        found.append((when, request, bytes(view[at : at + body]), bytes(view[at + body : at + body + answer])))
        at += body + answer
    return found


def main() -> None:
    """Writes until the input ends; the service ends it, and signals to its group are not for us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(5)  # an answer comes first
    book = Logbook(Path(sys.argv[1]), ServeParams.model_validate_json(sys.argv[2]))
    model: dict[str, str] = {}
    contract: Contract | None = None
    for head, rest in messages(sys.stdin.buffer):
        if "contract" in head:
            model, contract = head["model"], Contract.model_validate(head["contract"])
        elif "asked" in head and contract is not None:
            book.add(rows_of(_parts(head, rest), contract, model))
        elif "table" in head:
            book.add(signed(pa.ipc.open_stream(rest).read_all(), model))
        book.rotate()
    book.close()


if __name__ == "__main__":
    main()
