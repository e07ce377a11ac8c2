"""Everything the service has at hand while it runs, and what it does with a request that was let in."""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio
import numpy as np

from serving.answers import answers, encoded, lineage
from serving.background import Background, Exchange
from serving.current import Current
from serving.guard import Guard
from serving.messages import JSON, Ask, Reply
from serving.metrics import Metrics
from serving.model import Model
from serving.records import Record
from serving.shadow import Challenger
from ssgan.config import ServeParams
from ssgan.errors import SsganError, UserError, told
from ssgan.learn.artefact import Predictions
from ssgan.ship.packaged import split_tag
from ssgan.ship.shadow import Shadow, shadow_file
from ssgan.ship.watch import Watch

if TYPE_CHECKING:
    from serving.log import PredictionLog

_NONE: Mapping[str, np.ndarray] = MappingProxyType({})

_log = logging.getLogger("ssgan.service")


class Desk:
    """Opened once per process, by the service."""

    def __init__(self, params: ServeParams, root: Path | None, log: Path = Path("predictions")) -> None:
        """Loads nothing yet.

        Args:
            params: the section `serve`.
            root: of the project that is followed, if one is.
            log: folder of the prediction log, where no project is followed.
        """
        self._params, self._root = params, root
        self._log_folder = log if root is None else root / ".ssgan" / "predictions"

    def open(self, own: Path) -> None:
        """Loads the model, and begins to follow, to log and to compare.

        Args:
            own: folder of the Bento's own model.
        """
        keys = None if self._params.keys is None else (self._root or Path()) / self._params.keys
        self.metrics = Metrics()
        self.guard = Guard(self._params, keys)
        self.metrics.watch_under_way(lambda: self.guard.under_way)
        self.current = Current(own, self._root, self.metrics.swapped, self.metrics.refused)
        self._threads = anyio.CapacityLimiter(2)
        self._log = self._open_log()
        self._challenger: Challenger | None = None
        self._shadow: Background | None = None
        self._follow_shadow()
        followed: dict[Path, Callable[[], None]] = {}
        if self._root is not None and self.current.pointer is not None:
            followed |= {self.current.pointer: self.current.follow, shadow_file(self._root): self._follow_shadow}
        if keys is not None:
            followed[keys] = self.guard.follow_keys
        self._watch = Watch(followed, None if self._root is None else self.current.look)
        self._watch.start()
        self._warm_up()
        asked = "keys are asked for" if self.guard.asks_for_keys else "nobody is asked for a key"
        _log.info("%s is in service; %s", self.current.model.lineage.model, asked)
        gc.collect()
        gc.freeze()  # what is loaded now lives for ever; looking through it again and again costs latency

    def close(self) -> None:
        """Writes what is waiting to be logged."""
        self._watch.stop()
        if self._shadow is not None:
            self._shadow.stop()
        if self._log is not None:
            self._log.close()

    async def predict(self, ask: Ask) -> Reply:
        """One record."""
        record = ask.model.checker.record(ask.body)
        said = ask.model.packaged.predict_records([record])
        told = encoded({**answers(ask.model, said)[0], "lineage": lineage(ask.model, ask.id)})
        asyncio.get_running_loop().call_soon(self._note, ask, said, [record])  # the answer leaves first
        return Reply(JSON, told, ask.model)

    async def predict_many(self, ask: Ask) -> Reply:
        """Up to 10,000 records."""
        return await anyio.to_thread.run_sync(self._many, ask, limiter=self._threads)

    def _many(self, ask: Ask) -> Reply:
        columns = ask.model.artefact.encoder.read_records(ask.model.checker.records(ask.body))
        said = self._answered(ask, columns)
        told = encoded({"answers": answers(ask.model, said), "lineage": lineage(ask.model, ask.id)})
        return Reply(JSON, told, ask.model)

    async def predict_file(self, ask: Ask) -> Reply:
        """A table, answered as a stream; or one PNG."""
        from serving.files import answer_file  # Arrow, which no other request needs

        return await answer_file(ask, self._answered, self._params, self._threads)

    def _answered(self, ask: Ask, columns: dict[str, np.ndarray]) -> Predictions:
        said = ask.model.packaged.predict_columns(columns)
        self._note(ask, said, read=columns)
        return said

    def _note(
        self, ask: Ask, said: Predictions, records: Sequence[Record] = (), read: Mapping[str, np.ndarray] = _NONE
    ) -> None:
        """Counts the rows, and hands them to whoever works behind the answer."""
        self.metrics.rows(len(said.answer), int(said.unlike.sum()))
        if self._log is None and self._shadow is None:
            return
        size = _bytes(read) if read else len(ask.body)
        exchange = Exchange(time.time(), ask.id, ask.model, said, size, records, read)
        if self._log is not None:
            self._log.add(exchange)
        if (shadow := self._shadow) is not None:
            shadow.offer(exchange)

    def _open_log(self) -> PredictionLog | None:
        if not self._params.log:
            return None
        from serving.log import PredictionLog

        try:
            self._log_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=self._log_folder):
                pass
        except OSError as error:
            raise UserError(
                f"serve.log is true, and {self._log_folder} cannot be written ({error.strerror}); make it writable"
            ) from None
        return PredictionLog(self._log_folder, self._params, lambda requests: self.metrics.dropped("log", requests))

    def _follow_shadow(self) -> None:
        """Starts, changes or ends the comparison with a challenger."""
        shadow = self._wanted_shadow()
        if shadow is not None and self._challenger is not None and self._challenger.shadow == shadow:
            return
        before, self._shadow, self._challenger = self._shadow, None, None
        if before is not None:
            before.stop()
        if shadow is None or self._root is None:
            return
        try:
            name, version = split_tag(shadow.tag)
            model = Model.load(self._root / "bento" / "models" / name / version)
            challenger = Challenger(self._root, shadow, model, lambda: self.current.model.lineage)
        except (SsganError, OSError, ValueError) as error:
            _log.error("the challenger is refused: %s", error)
            return

        def dropped() -> None:
            challenger.dropped += 1
            self.metrics.dropped("shadow")

        self._shadow = Background("shadow", challenger.compare, dropped)
        self._challenger = challenger  # last: whoever sees it may count on being compared
        _log.info("%s answers in the shadow", shadow.tag)

    def _wanted_shadow(self) -> Shadow | None:
        if self._root is None or not shadow_file(self._root).is_file():
            return None
        try:
            return Shadow.read(shadow_file(self._root))
        except (OSError, ValueError) as error:  # no reason for the champion not to answer
            why = told(error, Shadow)
            _log.error("%s cannot be read, so nothing runs in the shadow: %s", shadow_file(self._root).name, why)
            return None

    def _warm_up(self) -> None:
        """The first answer of a session is slower; nobody should be the one who gets it."""
        with np.load(self.current.model.artefact.folder / "probe.npz", allow_pickle=False) as stored:
            self.current.model.artefact.predict_encoded(stored["x"][:1])


def _bytes(columns: Mapping[str, np.ndarray]) -> int:
    """Of columns; an object is a text, bytes or None."""
    return sum(
        sum(len(cell) for cell in column if cell is not None) if column.dtype == object else column.nbytes
        for column in columns.values()
    )
