"""The challenger in the shadow: answers what the champion has answered, after it, and counts the differences.

Only the answers of the champion of now are compared: with a new one, as with a new service, the count begins anew.
"""

from __future__ import annotations

import datetime
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from serving.background import Exchange
from serving.model import Model
from serving.records import Record
from ssgan.errors import SsganError
from ssgan.judge.limits import in_range
from ssgan.learn.artefact import Predictions
from ssgan.records import Lineage
from ssgan.ship.shadow import Shadow, ShadowSummary, shadow_folder

LINES_AT_MOST = 10_000  # of rows answered differently

_log = logging.getLogger("ssgan.service")


class Challenger:
    """One challenger over its time in the shadow."""

    def __init__(self, root: Path, shadow: Shadow, model: Model, champion: Callable[[], Lineage]) -> None:
        """Compares nothing yet.

        Args:
            root: of the project.
            shadow: which model it is.
            model: that one.
            champion: tells which model is in service now.
        """
        self.shadow, self._model, self._champion = shadow, model, champion
        self._folder = shadow_folder(root, shadow.tag)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._begin("none yet")

    def _begin(self, champion: str) -> None:
        since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._found = ShadowSummary(champion=champion, challenger=self.shadow.tag, since=since)
        self._moves: Counter[str] = Counter()
        self._unlike: Counter[str] = Counter()
        self._lines = 0
        self.dropped = 0
        (self._folder / "differences.jsonl").unlink(missing_ok=True)

    def compare(self, batch: list[Exchange]) -> None:
        """Answers what the present champion has answered of a batch, and writes the summary anew."""
        champion = self._champion()
        if champion.digest == self.shadow.digest:  # it has become champion: what was found until then stays
            return
        if champion.model != self._found.champion:
            self._begin(champion.model)
        for exchange in batch:
            if exchange.model.lineage.digest == champion.digest:
                self._one(exchange)
        self._found = self._found.model_copy(
            update={"moves": dict(self._moves), "unlike": dict(self._unlike), "dropped": self.dropped}
        )
        self._found.write(self._folder / "summary.json")

    def _one(self, exchange: Exchange) -> None:
        started = time.perf_counter()
        try:
            kept, columns = _taken(exchange, self._model)
            theirs = self._model.artefact.predict_columns(columns)
        except (SsganError, KeyError, ValueError) as error:
            _log.warning("the challenger could not answer: %s", type(error).__name__)
            self._add(failed=1)
            return
        rows = len(theirs.answer)
        ours = _some(exchange.said, kept)
        far, other = _differences(exchange.model, self._model, ours, theirs)
        mean = (self._found.difference * self._found.rows + float(far.sum())) / max(self._found.rows + rows, 1)
        largest = max([self._found.largest_difference, *far.tolist()])
        self._found = self._found.model_copy(update={"difference": mean, "largest_difference": largest})
        took = time.perf_counter() - started
        self._add(requests=1, rows=rows, refused=exchange.rows - rows, different=int(other.sum()), seconds=took)
        self._unlike.update(champion=int(ours.unlike.sum()), challenger=int(theirs.unlike.sum()))
        self._note(exchange, ours, theirs, np.flatnonzero(other).tolist())

    def _add(self, **counts: float) -> None:
        more = {name: getattr(self._found, name) + count for name, count in counts.items()}
        self._found = self._found.model_copy(update=more)

    def _note(self, exchange: Exchange, ours: Predictions, theirs: Predictions, rows: list[int]) -> None:
        lines = []
        for row in rows:
            said = {"champion": _plain(ours.answer[row]), "challenger": _plain(theirs.answer[row])}
            if ours.probabilities is not None:
                self._moves[f"{said['champion']} -> {said['challenger']}"] += 1
            lines.append(json.dumps({"request": exchange.request_id, "row": row, **said}) + "\n")
        room = max(0, LINES_AT_MOST - self._lines)
        if lines[:room]:
            self._lines += len(lines[:room])
            with (self._folder / "differences.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(lines[:room])


def _taken(exchange: Exchange, model: Model) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Places of the rows that the challenger's contract takes, and their columns as it reads them."""
    ours, theirs = exchange.model.artefact.contract.features, model.artefact.contract.features
    if ours == theirs:
        return np.arange(exchange.rows), dict(exchange.columns)
    read = [_read(_record(exchange, row, theirs), model) for row in range(exchange.rows)]
    kept = [row for row, record in enumerate(read) if record is not None]
    records = [record for record in read if record is not None]
    return np.array(kept, np.int64), model.artefact.encoder.read_records(records)


def _record(exchange: Exchange, row: int, names: Mapping[str, object]) -> Record:
    cells = {name: exchange.columns[name][row] for name in names if name in exchange.columns}
    return {name: _plain(cell) for name, cell in cells.items() if _plain(cell) is not None}


def _read(record: Record, model: Model) -> Record | None:
    """A record as the model reads it; None if its contract forbids it."""
    try:
        return model.checker.one.validate_python(record)
    except ValidationError:
        return None


def _plain(cell: object) -> object:
    value = cell.item() if isinstance(cell, np.generic) else cell
    return None if isinstance(value, float) and math.isnan(value) else value


def _some(said: Predictions, kept: np.ndarray) -> Predictions:
    def of(part: np.ndarray | None) -> np.ndarray | None:
        return None if part is None else part[kept]

    return Predictions(
        said.answer[kept],
        of(said.probabilities),
        said.fake_probability[kept],
        said.unlike[kept],
        of(said.sets),
        of(said.low),
        of(said.high),
        of(said.outside),
    )


def _differences(
    champion: Model, challenger: Model, ours: Predictions, theirs: Predictions
) -> tuple[np.ndarray, np.ndarray]:
    """Per row: how far the numbers are apart, float64 [n], and whether the answer is another one, bool [n]."""
    if ours.probabilities is None or theirs.probabilities is None:
        far = np.abs(ours.answer - theirs.answer)
        if ours.low is None or ours.high is None:
            return far, far > 0
        value = in_range(theirs.answer, champion.artefact.contract)  # as the ends of intervals are
        return far, (value < ours.low) | (value > ours.high)
    names = champion.artefact.contract.classes
    known = challenger.artefact.contract.classes
    shares = np.zeros_like(ours.probabilities)
    for place, name in enumerate(names):
        if name in known:
            shares[:, place] = theirs.probabilities[:, known.index(name)]
    return np.abs(shares - ours.probabilities).max(axis=1, initial=0.0), ours.answer != theirs.answer
