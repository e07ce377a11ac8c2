"""The service's side of the prediction log: what was asked and answered is gathered, and written behind the answers.

An answer becomes a row of bytes at once; to keep the answer itself for later would cost more, as its objects would
leave the processor's cache and be looked at by the garbage collector. A thread appends the rows to a file four times a
second; when that is large or old enough, another process makes Parquet of it (`rowfiles.py`, `logbook.py`). So an
answer waits for nothing, a killed service loses what the last moment brought, and what is not yet Parquet lies on the
disk until it is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from serving.background import Exchange
from serving.layout import Words
from serving.rowfiles import Block, RowFiles
from ssgan.config import ServeParams

SECONDS = 0.25  # that rows are gathered: what a killed service loses
GATHERED_AT_MOST = 32 * 2**20  # bytes that were asked and are in memory; a quarter of them wakes the thread early

_log = logging.getLogger("ssgan.service")


class PredictionLog:
    """Takes exchanges from any thread."""

    def __init__(self, folder: Path, params: ServeParams, dropped: Callable[[int], None]) -> None:
        """Starts to write.

        Args:
            folder: for the files.
            params: limits of the files.
            dropped: told how many requests found no room, or could not be written.
        """
        self._dropped = dropped
        self._lock = threading.Lock()  # of the two that follow
        self._blocks: dict[str, Block] = {}  # by digest of the model
        self._size = 0  # bytes that were asked in them
        self._ending = False
        self._wake = threading.Event()
        self._files = RowFiles(folder, params)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def add(self, exchange: Exchange) -> None:
        """Gathers an exchange; never waits for the disk, and never fails."""
        if self._size > GATHERED_AT_MOST:
            self._dropped(1)
            return
        rows = self._rows(exchange)
        if rows is None:
            return
        digest = exchange.model.lineage.digest
        with self._lock:
            self._size += exchange.size
            block = self._blocks.get(digest)
            if block is None:
                block = self._blocks[digest] = Block(exchange.model)
            block.add(*rows)
        if self._size > GATHERED_AT_MOST / 4:
            self._wake.set()

    def close(self) -> None:
        """Writes what was gathered, and waits until it is Parquet."""
        self._ending = True
        self._wake.set()
        self._thread.join()
        self._files.close()

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(SECONDS)
            self._wake.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            blocks, self._blocks, self._size = self._blocks, {}, 0
        for block in blocks.values():
            try:
                self._files.append(block)
            except Exception as error:  # whatever it is, the next moment may fare better
                self._dropped(block.requests)
                _log.error("%d requests cannot be logged: %s", block.requests, error)
                self._files.rotate()  # what follows half a block could not be read
        self._files.look()

    def _rows(self, exchange: Exchange) -> tuple[bytes, Words] | None:
        layout, about = exchange.model.layout, (exchange.at, exchange.request_id)
        try:
            if exchange.read:
                return layout.columns(*about, exchange.read, exchange.said)
            return layout.record(*about, exchange.records[0], exchange.said)
        except Exception:  # an answer is worth more than its row of the log
            _log.exception("request %s cannot be logged", exchange.request_id)
            self._dropped(1)
            return None
