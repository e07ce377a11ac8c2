"""Uploads that no service should choke on: bombs, bent and cut files, false formats, names that lead elsewhere."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def bad_files() -> list[tuple[bytes, dict[str, str]]]:
    """Bodies with their headers."""
    parquet, csv = {"content-type": "application/vnd.apache.parquet"}, {"content-type": "text/csv"}
    form = {"content-type": "multipart/form-data; boundary=x"}
    named = b'--x\r\ncontent-disposition: form-data; name="file"; filename="%s"\r\n\r\na\r\n--x--\r\n'
    return [
        *((_parquet(table), parquet) for table in (_rows(), _words(), _page())),
        *((b"PAR1" + bytes([byte]) * 5_000 + b"PAR1", parquet) for byte in (0, 7, 128, 255)),
        *((_parquet(_rows(10))[:-cut], parquet) for cut in (1, 8, 30)),
        *((_bent(_parquet(_rows(10)), place), parquet) for place in range(4, 400, 9)),
        *(
            (_png_bomb(), {"content-type": "image/png"}),
            (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, {"content-type": "image/png"}),
        ),
        *((body, csv) for body in (b"," * 5_000_000, b'"' * 99_999, b"a\n" * 900_000, b"\0" * 9_999, b"a,a\n1,2\n")),
        *(
            (named % name, form)
            for name in (b"../../x.csv", b"/etc/passwd", b"a\0.csv", b"x" * 9_000, b"http://127.0.0.1/a.csv")
        ),
        (b"--x\r\n" * 50_000, form),
    ]


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=["a"] if table.num_columns == 1 else True)
    return sink.getvalue()


def _rows(count: int = 60_000_000) -> pa.Table:
    return pa.table({"a": np.zeros(count, np.int8)})


def _words() -> pa.Table:
    word = pa.DictionaryArray.from_arrays(pa.array(np.zeros(400, np.int32)), pa.array(["x" * 9_000_000]))
    return pa.table({"a": word, "b": np.zeros(400)})


def _page() -> pa.Table:
    return pa.table({"a": ["z" * 250_000_000], "b": [1.0]})


def _bent(body: bytes, place: int) -> bytes:
    place %= len(body)
    return body[:place] + bytes([body[place] ^ 0xFF]) + body[place + 1 :]


def _png_bomb() -> bytes:
    """30,000 x 30,000 pixels, and a text of 100 MB, in a few kilobytes."""
    text = b"c\0\0" + zlib.compress(b"\0" * 100_000_000, 9)
    size = (30_000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", size) + _chunk(b"zTXt", text) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
