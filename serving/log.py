"""The service's side of the prediction log: hands over what was asked and answered, as the bytes that it has anyway.

Parsing and Parquet are the work of another process (`logbook.py`): in this one they would take the interpreter from
the requests.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic_core import to_json

import serving
from serving.background import Exchange
from serving.model import Model
from ssgan.config import ServeParams

PATIENCE = 30  # seconds for the last file to be written


class PredictionLog:
    """Starts the process that writes, and again if it has ended."""

    def __init__(self, folder: Path, params: ServeParams) -> None:
        self._command = [sys.executable, "-m", "serving.logbook", str(folder.absolute()), params.model_dump_json()]
        self._told = ""  # digest of the model that the process knows
        self._process = self._start()

    def write(self, batch: list[Exchange]) -> None:
        """Hands exchanges over.

        Raises:
            OSError: if the process has ended meanwhile; the next batch gets another one.
        """
        if self._process.poll() is not None:
            self._let_go()
            self._process, self._told = self._start(), ""
        for digest, group in itertools.groupby(batch, key=lambda exchange: exchange.model.lineage.digest):
            exchanges = list(group)
            if digest != self._told:
                self._send(_about(exchanges[0].model))
                self._told = digest
            for part in _messages(exchanges):
                self._send(part)

    def look(self) -> None:
        """Lets the process look at the clock, as a file may be old enough."""
        if self._process.poll() is None:
            self._send(b"{}\n")

    def close(self) -> None:
        """Waits until everything is written."""
        self._let_go()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _let_go(self) -> None:
        """Of what the process that has ended can no longer read."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(message)
        self._process.stdin.flush()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(Path(serving.__file__).parents[1])}
        return subprocess.Popen(self._command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)


def _about(model: Model) -> bytes:
    contract = model.artefact.contract.model_dump(mode="json")
    return to_json({"model": model.lineage.model_dump(), "contract": contract}) + b"\n"


def _messages(group: Sequence[Exchange]) -> Iterator[bytes]:
    """JSON many at once; rows of a file one by one."""
    for is_json, run in itertools.groupby(group, key=lambda exchange: bool(exchange.body)):
        if is_json:
            asked = list(run)
            heads = [(each.at, each.request_id, len(each.body), len(each.answer)) for each in asked]
            rest = b"".join(part for each in asked for part in (each.body, each.answer))
            yield to_json({"asked": heads, "size": len(rest)}) + b"\n" + rest
        else:
            for each in run:
                rest = _rows(each)
                yield to_json({"table": each.at, "size": len(rest)}) + b"\n" + rest


def _rows(exchange: Exchange) -> bytes:
    """Rows of a file with their answers, but for the model, as an Arrow stream."""
    import pyarrow as pa  # a file was read, so it is loaded

    contract, said = exchange.model.artefact.contract, exchange.said
    columns = {
        "_at": pa.array([int(exchange.at * 1e6)] * exchange.rows, pa.timestamp("us", "UTC")),
        "_request": pa.array([exchange.request_id] * exchange.rows, pa.string()),
    }
    for name in contract.features:
        if name not in contract.log_without:
            columns[name] = _values(exchange.columns[name])
    columns["_label" if contract.classes else "_value"] = pa.array(said.answer)
    for number, name in enumerate(contract.classes):
        assert said.probabilities is not None
        columns[f"_probability_{name}"] = pa.array(said.probabilities[:, number])
    columns |= {"_fake_probability": pa.array(said.fake_probability), "_unlike_training_data": pa.array(said.unlike)}
    table, sink = pa.table(columns), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def _values(values: np.ndarray) -> object:
    import base64

    import pyarrow as pa

    if values.dtype != object:
        return pa.array(values, from_pandas=True)  # NaN is missing
    cells = [base64.b64encode(each).decode() if isinstance(each, bytes) else each for each in values.tolist()]
    return pa.array(cells, pa.string())
