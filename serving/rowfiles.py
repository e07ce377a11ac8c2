"""Files of rows, which a process of its own makes Parquet of when they are closed.

FOLDER/20260131T120000-4711-0001.rows     a line of JSON: model, contract, coverage, columns that have a range
                                          then blocks: a line of JSON with the bytes of both parts,
                                          rows of numbers (`layout.py`), and words as JSON
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import itertools
import logging
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic_core import to_json

import serving
from serving.layout import Words
from serving.model import Model
from ssgan.config import ServeParams

PATIENCE = 30  # seconds for the last file to become Parquet

_log = logging.getLogger("ssgan.service")


@dataclass
class Block:
    """Rows of one model that are written together."""

    model: Model
    numbers: bytearray = field(default_factory=bytearray)
    words: Words = field(default_factory=list)
    requests: int = 0

    def add(self, numbers: bytes, words: Words) -> None:
        """Adds a request's rows."""
        self.numbers += numbers
        self.words += words
        self.requests += 1

    def message(self) -> bytes:
        """As it stands in the file."""
        words = to_json(self.words)
        return to_json([len(self.numbers), len(words)]) + b"\n" + self.numbers + words


class RowFiles:
    """The file that grows, and the process that takes those that are closed. Used by one thread."""

    def __init__(self, folder: Path, params: ServeParams) -> None:
        """Starts the process, which begins with what an earlier service has left."""
        self._folder, self._params = folder, params
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._command = [sys.executable, "-m", "serving.logbook", str(folder.absolute()), str(params.log_days)]
        self._file: RowFile | None = None
        self._numbers = itertools.count(1)
        self.process = self._start()

    def append(self, block: Block) -> None:
        """Adds rows; those of another model begin another file.

        Raises:
            OSError: if there is no room for them.
        """
        waiting = self._waiting()
        if waiting > self._params.log_waiting_mb * 2**20:
            raise OSError(f"{waiting >> 20} MiB wait to become Parquet, which is all that serve.log_waiting_mb allows")
        if self._file is not None and self._file.digest != block.model.lineage.digest:
            self.rotate()
        if self._file is None:
            self._file = RowFile(self._folder, next(self._numbers), block.model)
        self._file.write(block.message())

    def look(self) -> None:
        """Closes a file that is large or old enough."""
        if self._file is not None and self._file.is_full(self._params):
            self.rotate()

    def rotate(self) -> None:
        """Closes the file, and tells the process that there is work; one that has ended is followed by another."""
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        except OSError:
            self._let_go()
            with contextlib.suppress(OSError):  # the next time, then
                self.process = self._start()

    def close(self) -> None:
        """Waits until everything is Parquet; where that takes long, the process goes on alone."""
        self.rotate()
        self._let_go()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            _log.warning("the prediction log is still being written, by process %d", self.process.pid)

    def _waiting(self) -> int:
        """Bytes of rows that are not Parquet yet."""
        size = 0
        for path in self._folder.glob("*.rows"):
            with contextlib.suppress(FileNotFoundError):  # it has just become Parquet
                size += path.stat().st_size
        return size

    def _let_go(self) -> None:
        """Of the process, which ends when it has worked off what there is."""
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(Path(serving.__file__).parents[1])}
        return subprocess.Popen(
            self._command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # what Ctrl-C sends to the terminal's group is not for it
        )


class RowFile:
    """A file that grows; locked as long as its service lives, so that nobody else takes it for finished."""

    def __init__(self, folder: Path, number: int, model: Model) -> None:
        self.digest = model.lineage.digest
        when = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
        path = folder / f"{when}-{os.getpid()}-{number:04}.rows"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self._since, self._size = time.monotonic(), 0
            self.write(to_json(_about(model)) + b"\n")
        except BaseException:  # a full disk: it is tried again and again, and descriptors are few
            os.close(self._descriptor)
            path.unlink(missing_ok=True)
            raise

    def write(self, message: bytes) -> None:
        view = memoryview(message)
        self._size += len(view)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def is_full(self, params: ServeParams) -> bool:
        old = time.monotonic() - self._since > params.log_file_minutes * 60
        return old or self._size > params.log_file_mb * 2**20

    def close(self) -> None:
        os.close(self._descriptor)


def _about(model: Model) -> dict[str, Any]:
    artefact = model.artefact
    return {
        "model": model.lineage.model_dump(),
        "contract": artefact.contract.model_dump(mode="json"),
        "coverage": artefact.calibration.coverage,
        "ranged": artefact.ranges.names,
    }
