"""The prediction log as Parquet: a process of its own makes a file of each that the service has finished.

    python -m serving.logbook FOLDER DAYS     # Parquet older than so many days is deleted

It looks when a byte comes through standard input, and when that ends, once more before it ends as well: a service that
was killed leaves nothing behind, and what a killed logbook leaves the next one finds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from serving.layout import Layout, Words
from ssgan.contract import Contract
from ssgan.ship.rows import said_columns

REQUEST = "_request"
ORIGIN = ("model", "data_version", "git_commit")

_log = logging.getLogger("ssgan.logbook")


def table_of(path: Path) -> pa.Table:
    """The rows of a finished file; half a block at its end, where the service was killed, is nothing."""
    with path.open("rb") as file:
        about = json.loads(file.readline())
        contract = Contract.model_validate(about["contract"])
        layout = Layout.of(contract, about["ranged"])
        blocks = list(_blocks(file))
    rows = np.frombuffer(b"".join(numbers for numbers, _ in blocks), layout.row)
    words = [word for _, more in blocks for word in more]
    request, *others = (
        pa.array(words[at :: 1 + len(layout.words)], pa.string()) for at in range(1 + len(layout.words))
    )
    columns = {"_at": pa.array((rows["at"] * 1e6).astype(np.int64), pa.timestamp("us", "UTC")), REQUEST: request}
    cells = dict(zip(layout.words, others, strict=True))
    cells |= {name: _numbers(rows["asked"][:, place]) for place, name in enumerate(layout.numbers)}
    columns |= {name: cells[name] for name in contract.features if name in cells}
    said = layout.said(rows)
    told = said_columns(said, contract, layout.ranged)
    if said.sets is not None or said.low is not None:
        told["coverage"] = pa.array(np.full(len(rows), about["coverage"]))
    told |= {name: pa.array([about["model"][name]] * len(rows), pa.string()).dictionary_encode() for name in ORIGIN}
    return pa.table(columns | {f"_{name}": each for name, each in told.items()})


def look(folder: Path, days: float, own: str = "") -> None:
    """Makes Parquet of every finished file, and deletes what is too old.

    Args:
        folder: with the files.
        days: that Parquet is kept.
        own: what stands in the names of files that are waited for until their service has let go of them.
    """
    limit = time.time() - days * 86_400
    for path in (*folder.glob("*.parquet"), *folder.glob("*.bad")):  # first, as it makes room where there is none
        with contextlib.suppress(FileNotFoundError):  # another logbook was quicker
            if path.stat().st_mtime < limit:
                path.unlink()
    for path in sorted(folder.glob("*.rows")):
        try:
            with _held(path, own in path.name if own else False):
                _convert(path)
        except (FileNotFoundError, BlockingIOError):
            continue
        except OSError as error:
            _log.error("%s cannot become Parquet yet, and is kept: %s", path.name, error.strerror or error)


def _convert(path: Path) -> None:
    """Leaves Parquet in the place of a file; a reader never sees half of one."""
    try:
        table = table_of(path)
    except (ValueError, KeyError, pa.ArrowException) as error:
        _log.error("%s cannot be read, and is left as %s.bad: %s", path.name, path.stem, error)
        path.replace(path.with_suffix(".bad"))
        return
    if table.num_rows:
        repeated = [each.name for each in table.schema if not pa.types.is_floating(each.type) and each.name != REQUEST]
        fresh = path.with_suffix(".part")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as target:
                pq.write_table(table, target, compression="zstd", use_dictionary=repeated)
        except OSError:
            fresh.unlink()  # half of a file, where there is no room
            raise
        fresh.replace(path.with_suffix(".parquet"))
    path.unlink()


@contextlib.contextmanager
def _held(path: Path, patient: bool) -> Iterator[None]:
    """Locks a file; BlockingIOError: its service lives; FileNotFoundError: another logbook has made Parquet of it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if patient else fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(path)
        yield
    finally:
        os.close(descriptor)


def _blocks(file: IO[bytes]) -> Iterator[tuple[bytes, Words]]:
    for line in file:
        if not line.endswith(b"\n"):
            return
        sizes = from_json(line)
        numbers, words = (file.read(size) for size in sizes)
        if len(words) < sizes[1] or len(numbers) < sizes[0]:
            return
        yield numbers, from_json(words)


def _numbers(values: np.ndarray) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), from_pandas=True)  # NaN is missing


def main() -> None:
    """Works until the input ends; the service ends it, and signals to its group are not for us."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)  # an answer comes first
    pa.set_cpu_count(1)
    folder, days, service = Path(sys.argv[1]), float(sys.argv[2]), os.getppid()
    look(folder, days)
    while os.read(sys.stdin.fileno(), 4096):
        look(folder, days)
    look(folder, days, f"-{service}-")  # it has closed them, or is about to end


if __name__ == "__main__":
    main()
