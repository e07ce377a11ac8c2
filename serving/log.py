"""The prediction log: requests and answers as Parquet files, rotated by size and age."""

from __future__ import annotations

import datetime
import itertools
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serving.background import Exchange, columns_of
from serving.model import Model
from ssgan.config import ServeParams

_log = logging.getLogger("ssgan.service")


class PredictionLog:
    """Gathers rows and writes them as whole files: a reader never sees half of one, a crash loses at most one."""

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

    def write(self, batch: list[Exchange]) -> None:
        """Adds exchanges; those of one model become one table."""
        for _, group in itertools.groupby(batch, key=lambda exchange: exchange.model.lineage.digest):
            self._add(_table(list(group)))

    def rotate(self) -> None:
        """Closes a file that is large or old enough."""
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

    def _add(self, table: pa.Table) -> None:
        if self._tables and self._tables[0].schema != table.schema:  # another model has other columns
            self.close()
        if not self._tables:
            self._since = time.monotonic()
        self._tables.append(table)
        self._bytes += table.nbytes
        if self._bytes > self._bytes_at_most:
            self.close()

    def _write(self, tables: Sequence[pa.Table]) -> None:
        when = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S")
        path = self._folder / f"{when}-{os.getpid()}-{next(self._numbers):04}.parquet"
        fresh = path.with_suffix(".part")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            pq.write_table(pa.concat_tables(tables), target, compression="zstd")
        fresh.replace(path)
        _log.info("%d rows logged in %s", sum(table.num_rows for table in tables), path.name)


def _table(group: Sequence[Exchange]) -> pa.Table:
    """Exchanges with one model as rows: when and who asked, the columns that may be kept, and the answers."""
    model = group[0].model
    contract = model.artefact.contract
    sizes = [exchange.rows for exchange in group]
    when = np.repeat([int(exchange.at * 1e6) for exchange in group], sizes)
    columns: dict[str, pa.Array] = {
        "_at": pa.array(when, pa.timestamp("us", "UTC")),
        "_request": pa.array(np.repeat([exchange.request_id for exchange in group], sizes), pa.string()),
    }
    asked = columns_of(group)
    for name in contract.features:
        if name not in contract.log_without:
            columns[name] = _values(asked[name])
    columns |= _answers(group, model)
    origin = model.lineage
    for name in ("model", "data_version", "git_commit"):
        columns[f"_{name}"] = pa.array([getattr(origin, name)] * len(when)).dictionary_encode()
    return pa.table(columns)


def _values(values: np.ndarray) -> pa.Array:
    if values.dtype != object:
        return pa.array(values, from_pandas=True)  # NaN is missing
    return pa.array(values.tolist(), pa.binary() if any(isinstance(each, bytes) for each in values) else pa.string())


def _answers(group: Sequence[Exchange], model: Model) -> dict[str, pa.Array]:
    classes = model.artefact.contract.classes
    found: dict[str, pa.Array] = {}
    found["_label" if classes else "_value"] = pa.array(np.concatenate([each.said.answer for each in group]))
    for number, name in enumerate(classes):
        shares = [each.said.probabilities[:, number] for each in group if each.said.probabilities is not None]
        found[f"_probability_{name}"] = pa.array(np.concatenate(shares))
    found["_fake_probability"] = pa.array(np.concatenate([each.said.fake_probability for each in group]))
    found["_unlike_training_data"] = pa.array(np.concatenate([each.said.unlike for each in group]))
    return found
