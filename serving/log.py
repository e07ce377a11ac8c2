"""The service's side of the prediction log: rows are gathered in memory, and appended once a second to a file.

When that file is large or old enough it is closed, and another process makes Parquet of it (`logbook.py`): here that
would take the interpreter from the requests. So an answer waits for nothing, a service that is killed loses what the
last second brought, and what the other process has not yet worked off lies on the disk until it has.

    FOLDER/20260131T120000-4711-0001.rows     a line of JSON: model, contract, coverage
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
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic_core import to_json

import serving
from serving.background import Exchange
from serving.layout import Words, size_of
from serving.model import Model
from ssgan.config import ServeParams

SECONDS = 1.0  # that rows are gathered: what a killed service loses
GATHERED_AT_MOST = 64 * 2**20  # bytes in memory; four times less wakes the writer early
PATIENCE = 30  # seconds for the last file to become Parquet

_log = logging.getLogger("ssgan.service")


@dataclass
class _Block:
    """Rows of one model that are still in memory."""

    model: Model
    numbers: bytearray = field(default_factory=bytearray)
    words: Words = field(default_factory=list)
    requests: int = 0

    def message(self) -> bytes:
        words = to_json(self.words)
        return to_json([len(self.numbers), len(words)]) + b"\n" + self.numbers + words


class PredictionLog:
    """Takes exchanges from any thread; a thread of its own appends them to a file, a process makes Parquet of it."""

    def __init__(self, folder: Path, params: ServeParams, dropped: Callable[[int], None]) -> None:
        """Starts both, and with them the work that an earlier service has left.

        Args:
            folder: for the files.
            params: limits of the files.
            dropped: told how many requests found no room, or could not be written.
        """
        self._folder, self._params, self._dropped = folder, params, dropped
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._command = [sys.executable, "-m", "serving.logbook", str(folder.absolute()), str(params.log_days)]
        self._lock = threading.Lock()
        self._blocks: dict[str, _Block] = {}  # by digest of the model
        self._size = 0  # bytes in them
        self._file: _File | None = None
        self._numbers = itertools.count(1)
        self._ending = False
        self._wake = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def add(self, exchange: Exchange) -> None:
        """Gathers an exchange; never waits for the disk, and never fails."""
        try:
            layout = exchange.model.layout
            about = exchange.at, exchange.request_id
            if exchange.read:
                numbers, words = layout.columns(*about, exchange.read, exchange.said)
            else:
                numbers, words = layout.record(*about, exchange.records[0], exchange.said)
            room = self._gather(exchange.model, numbers, words)
        except Exception:  # an answer is worth more than its row of the log
            _log.exception("request %s cannot be logged", exchange.request_id)
            room = False
        if not room:
            self._dropped(1)

    def close(self) -> None:
        """Writes what was gathered, and waits until it is Parquet; where that takes long, it goes on alone."""
        self._ending = True
        self._wake.set()
        self._thread.join()
        self._let_go()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            _log.warning("the prediction log is still being written, by process %d", self._process.pid)

    def _gather(self, model: Model, numbers: bytes, words: Words) -> bool:
        size = len(numbers) + size_of(words)
        with self._lock:
            if self._size > GATHERED_AT_MOST:
                return False
            block = self._blocks.get(model.lineage.digest)
            if block is None:
                block = self._blocks[model.lineage.digest] = _Block(model)
            block.numbers += numbers
            block.words += words
            block.requests += 1
            self._size += size
        if self._size > GATHERED_AT_MOST / 4:
            self._wake.set()
        return True

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(SECONDS)
            self._wake.clear()
            self._write()
        self._write()
        self._rotate()

    def _write(self) -> None:
        """Appends what was gathered, and closes a file that is large or old enough."""
        with self._lock:
            blocks, self._blocks, self._size = self._blocks, {}, 0
        for block in blocks.values():
            try:
                self._append(block)
            except Exception as error:  # whatever it is, the next second may fare better
                self._dropped(block.requests)
                _log.error("%d requests cannot be logged: %s", block.requests, error)
                self._rotate()  # what follows half a block could not be read
        if self._file is not None and self._file.is_full(self._params):
            self._rotate()

    def _append(self, block: _Block) -> None:
        waiting = self._waiting()
        if waiting > self._params.log_waiting_mb * 2**20:
            raise OSError(f"{waiting >> 20} MiB wait to become Parquet, which is all that serve.log_waiting_mb allows")
        if self._file is not None and self._file.digest != block.model.lineage.digest:
            self._rotate()
        if self._file is None:
            self._file = _File(self._folder, next(self._numbers), block.model)
        self._file.write(block.message())

    def _waiting(self) -> int:
        """Bytes of rows that are not Parquet yet."""
        size = 0
        for path in self._folder.glob("*.rows"):
            with contextlib.suppress(FileNotFoundError):  # it has just become Parquet
                size += path.stat().st_size
        return size

    def _rotate(self) -> None:
        """Closes the file, and tells the process that there is work; one that has ended is followed by another."""
        if self._file is not None:
            self._file.close()
            self._file = None
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        except OSError:
            self._let_go()
            with contextlib.suppress(OSError):  # the next time, then
                self._process = self._start()

    def _let_go(self) -> None:
        """Of the process, which ends when it has worked off what there is."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(Path(serving.__file__).parents[1])}
        return subprocess.Popen(
            self._command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # what Ctrl-C sends to the terminal's group is not for it
        )


class _File:
    """A file that grows; locked as long as its service lives, so that nobody else takes it for finished."""

    def __init__(self, folder: Path, number: int, model: Model) -> None:
        self.digest = model.lineage.digest
        when = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
        path = folder / f"{when}-{os.getpid()}-{number:04}.rows"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self._since, self._size = time.monotonic(), 0
        artefact = model.artefact
        about = {
            "model": model.lineage.model_dump(),
            "contract": artefact.contract.model_dump(mode="json"),
            "coverage": artefact.calibration.coverage,
        }
        self.write(to_json(about) + b"\n")

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
