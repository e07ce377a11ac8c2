"""Answers to an uploaded file. Arrow is loaded with this module, so only where a file comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
import pyarrow as pa
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from serving.answers import answers, encoded, lineage
from serving.messages import JSON, Ask, Reply
from serving.refusal import Fault, Refusal
from serving.upload import NDJSON, PNG, as_csv, as_lines, rows_of, uploaded
from ssgan.config import ServeParams
from ssgan.errors import DataError
from ssgan.learn.artefact import Predictions
from ssgan.ship.rows import FILE, Piece, judge
from ssgan.ship.rows import answers as row_answers

UNPACKED = 10  # times the largest body: what a file's rows may need in memory

Answer = Callable[[Ask, dict[str, np.ndarray]], Predictions]
Form = Callable[[pa.Table, bool], bytes]


async def answer_file(ask: Ask, answer: Answer, params: ServeParams, threads: CapacityLimiter) -> Reply:
    """A table as a stream of answers; one PNG as one answer.

    Args:
        ask: with the file in its body.
        answer: asks the model.
        params: limits.
        threads: that may work at once.

    Raises:
        Refusal: 400, 413 or 415 for a file that cannot be answered.
    """
    upload = await uploaded(ask.content_type, ask.body)
    if upload.kind == PNG:
        return _picture(ask, upload.content, answer)
    contract = ask.model.artefact.contract.model_dump_json()
    unpacked = int(UNPACKED * params.body_at_most_mb * 2**20)
    opened = rows_of(upload, contract, params.file_rows_at_most, unpacked)
    tables = await opened.__aenter__()  # what is wrong with the file is said now, before the answer begins
    form = as_lines if NDJSON in ask.accept.lower() else as_csv

    async def stream() -> AsyncIterator[bytes]:
        try:
            start = 0
            while (table := await run_sync(_next, tables, limiter=threads)) is not None:
                yield await run_sync(_piece, ask, table, start, answer, form, limiter=threads)
                start += table.num_rows
        finally:
            await opened.__aexit__(None, None, None)

    return Reply(NDJSON if form is as_lines else "text/csv; charset=utf-8", stream(), ask.model)


def _picture(ask: Ask, png: bytes, answer: Answer) -> Reply:
    contract = ask.model.artefact.contract
    if contract.image is None:
        raise Refusal(415, "this model's rows are no images; send a CSV or Parquet file")
    (name,) = contract.features
    try:
        said = answer(ask, {name: np.array([png], object)})
    except DataError as error:
        fault: Fault = {"field": name, "rule": "not a PNG of the declared size", "value": "", "message": str(error)}
        raise Refusal(400, str(error), [fault]) from None
    told = {**answers(ask.model, said)[0], "lineage": lineage(ask.model, ask.id)}
    return Reply(JSON, encoded(told), ask.model)


def _piece(ask: Ask, table: pa.Table, start: int, answer: Answer, form: Form) -> bytes:
    """Some rows of a file, read and answered as `ssgan score` does it."""
    packaged = ask.model.packaged
    judged = judge(Piece(0, "", start, table), packaged.artefact.contract)
    told = row_answers(judged, packaged, answer(ask, judged.columns)).drop_columns([FILE])
    request = pa.array([ask.id] * table.num_rows).dictionary_encode()
    return form(told.append_column("request_id", request), start == 0)


def _next(tables: Iterator[pa.Table]) -> pa.Table | None:
    found = next(tables, None)
    return None if found is None else pa.Table.from_batches([found])
