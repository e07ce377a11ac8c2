"""Uploaded files: which kind it is, its rows piece by piece, and the answers as a stream."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
from pydantic_core import to_json
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

import serving
from serving.refusal import Refusal, shown

CSV, PARQUET, PNG = ".csv", ".parquet", ".png"
KINDS = {
    "text/csv": CSV,
    "application/csv": CSV,
    "application/vnd.apache.parquet": PARQUET,
    "application/x-parquet": PARQUET,
    "image/png": PNG,
}
BY_CURL = "with curl send it by --data-binary, as -d takes the ends of lines away"
NDJSON = "application/x-ndjson"
SECONDS = 30  # that a file may take to be read

_log = logging.getLogger("ssgan.service")


@dataclass(frozen=True)
class Upload:
    """A file in memory; its name is not kept, as nobody needs it."""

    kind: str
    content: bytes


async def uploaded(content_type: str, body: bytes) -> Upload:
    """The file of a request: the body itself, or the one part `file` of a form.

    Raises:
        Refusal: 400 for a form without a file, 415 for what is none of the kinds.
    """
    media = content_type.partition(";")[0].strip().lower()
    if media == "multipart/form-data":
        return await _from_form(content_type, body)
    kind = KINDS.get(media) or (_sniffed(body) if media in ("", "application/octet-stream") else None)
    if kind is None:
        kinds = f"`content-type: text/csv`, or another of {', '.join(list(KINDS)[1:])}, or a form with a file"
        if media in ("", "application/octet-stream"):
            raise Refusal(415, f"what the file is cannot be seen from its first bytes; send {kinds}")
        raise Refusal(415, f"`content-type: {shown(media)}` is not taken here; send {kinds}")
    if not body:
        raise Refusal(400, "the body is empty; send the file in it")
    upload = _unpacked(Upload(kind, body))
    if kind == CSV and b"\n" not in body and b"\r" not in body:
        raise Refusal(400, f"the file is one line, without names or without rows; {BY_CURL}")
    return upload


async def _from_form(content_type: str, body: bytes) -> Upload:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        parser = MultiPartParser(Headers({"content-type": content_type}), stream(), max_files=1, max_fields=4)
        parser.spool_max_size = len(body)  # in memory it is already, so it need not lie on the disk too
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError, UnicodeError, LookupError):
        raise Refusal(400, "the form cannot be read; send one file in the part `file`") from None
    file = form.get("file")
    if not isinstance(file, UploadFile):
        await form.close()
        raise Refusal(400, "the form has no file in the part `file`; send the file itself, not its name or its address")
    content, name, media = await file.read(), (file.filename or "").lower(), (file.content_type or "").lower()
    await form.close()
    kind = (
        next((each for each in (CSV, PARQUET, PNG) if name.endswith(each)), None)
        or KINDS.get(media)
        or _sniffed(content)
    )
    if kind is None:
        raise Refusal(415, "the file is neither CSV nor Parquet nor PNG; name it .csv, .parquet or .png")
    return _unpacked(Upload(kind, content))


def _unpacked(upload: Upload) -> Upload:
    if upload.kind == CSV and upload.content.startswith(b"\x1f\x8b"):
        raise Refusal(415, "the file is compressed by gzip; unpack it, and send what is in it")
    return upload


def _sniffed(content: bytes) -> str | None:
    if content.startswith(b"PAR1"):
        return PARQUET
    return PNG if content.startswith(b"\x89PNG") else None


@contextlib.asynccontextmanager
async def rows_of(
    upload: Upload, contract: str, rows_at_most: int, bytes_at_most: int
) -> AsyncIterator[Iterator[pa.Table]]:
    """The rows of a table, in pieces.

    A process of its own reads the file, with its memory and its time limited by the system: a file made to burst, or to
    crash the reader, harms nobody else. When the block begins the whole file has been read.

    Args:
        upload: CSV or Parquet.
        contract: as JSON.
        rows_at_most: of the file.
        bytes_at_most: of the rows once they are unpacked.

    Raises:
        Refusal: 400 or 413, in the reader's words.
    """
    with tempfile.TemporaryDirectory(prefix="ssgan-upload-") as name:
        path = Path(name) / f"the file{upload.kind}"
        _write(path, upload.content, contract)
        command = [sys.executable, "-m", "serving.reader", str(path), str(rows_at_most), str(bytes_at_most)]
        environment = os.environ | {
            "PYTHONPATH": str(Path(serving.__file__).parents[1]),
            "ARROW_DEFAULT_MEMORY_POOL": "system",
        }
        process = await asyncio.to_thread(_start, command, environment, name)
        try:
            assert process.stdout is not None
            said = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), SECONDS)
            _check(said)
            yield iter(pa.ipc.open_stream(process.stdout))
        except TimeoutError:
            raise Refusal(413, f"the file takes more than {SECONDS} s to read; send it in parts") from None
        finally:
            process.kill()
            await asyncio.to_thread(process.wait)
            if process.stdout is not None:
                process.stdout.close()


def _write(path: Path, content: bytes, contract: str) -> None:
    try:
        path.write_bytes(content)
        path.with_name("contract.json").write_text(contract, encoding="utf-8")
    except OSError:  # the disk is full, most likely
        text = "there is no room to read a file at the moment; come again, or send its rows to /v1/predict_many"
        _log.exception("%s cannot be written", path.name)
        raise Refusal(503, text, headers={"retry-after": "60"}) from None


def _start(command: list[str], environment: dict[str, str], folder: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _check(said: bytes) -> None:
    try:
        told = json.loads(said)
    except ValueError:  # it was ended by the system, or has crashed
        told = {"status": 413, "error": "the file needs more memory or time than is allowed; send it in parts"}
    if "error" in told:
        raise Refusal(told["status"], told["error"])


def as_csv(table: pa.Table, first: bool) -> bytes:
    """Answers as CSV; lists of classes with blanks between them."""
    columns = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_list(column.type):
            column = pa.array([None if cell is None else " ".join(cell) for cell in column.to_pylist()], pa.string())
        columns[name] = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    target = io.BytesIO()
    pyarrow.csv.write_csv(pa.table(columns), target, pyarrow.csv.WriteOptions(include_header=first))
    return target.getvalue()


def as_lines(table: pa.Table, first: bool) -> bytes:  # noqa: ARG001  # same form as `as_csv`
    """Answers as JSON, one object a line."""
    return b"".join(to_json(row, inf_nan_mode="null") + b"\n" for row in table.to_pylist())
