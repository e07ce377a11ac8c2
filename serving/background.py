"""Work that an answer never waits for: a bounded queue, and a thread that empties it."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from serving.model import Model
from serving.records import Record
from ssgan.learn.artefact import Predictions

QUEUED_AT_MOST = 2_000  # requests
ROWS_QUEUED_AT_MOST = 50_000
SECONDS = 0.5  # that requests are gathered before they are worked on: many at once cost far less than each alone

_log = logging.getLogger("ssgan.service")


@dataclass  # not frozen, which would take twice as long
class Exchange:
    """A request and its answer."""

    at: float  # seconds since 1970
    request_id: str
    model: Model
    said: Predictions
    size: int  # bytes, about, of what was asked
    records: Sequence[Record] = ()  # that, as one record,
    read: Mapping[str, np.ndarray] = field(default_factory=dict)  # or as columns

    @cached_property
    def columns(self) -> Mapping[str, np.ndarray]:
        """Raw columns, as `Encoder.encode_columns` takes them."""
        return self.read or self.model.artefact.encoder.read_records(self.records)

    @property
    def rows(self) -> int:
        return len(self.said.answer)


class Background:
    """Hands exchanges to `work` in batches; what finds no room is dropped and counted."""

    def __init__(
        self,
        name: str,
        work: Callable[[list[Exchange]], None],
        dropped: Callable[[], None],
    ) -> None:
        self._name, self._work, self._dropped = name, work, dropped
        self._queue: queue.Queue[Exchange] = queue.Queue(QUEUED_AT_MOST)
        self._rows = 0  # waiting; read without a lock, as a few more or fewer do not matter
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def offer(self, exchange: Exchange) -> None:
        """Takes an exchange if there is room; never waits."""
        if self._rows > ROWS_QUEUED_AT_MOST:
            self._dropped()
            return
        try:
            self._queue.put_nowait(exchange)
            self._rows += exchange.rows
        except queue.Full:
            self._dropped()

    def stop(self) -> None:
        """Works off what is waiting, and ends."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(SECONDS):
            self._empty()
        self._empty()

    def _empty(self) -> None:
        batch = self._waiting()
        try:
            if batch:
                self._work(batch)
        except Exception:  # the service goes on; the reason is said
            _log.exception("%s failed for %d requests", self._name, len(batch))
        finally:
            self._rows -= sum(each.rows for each in batch)

    def _waiting(self) -> list[Exchange]:
        batch: list[Exchange] = []
        try:
            while len(batch) < QUEUED_AT_MOST:
                batch.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return batch
