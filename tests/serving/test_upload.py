"""Uploaded files: rows in, rows out, and files that were made to harm."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made import GOOD, eventually

from ssgan.ship.champion import model_folder

CSV, PARQUET = {"content-type": "text/csv"}, {"content-type": "application/vnd.apache.parquet"}
LINES = {"accept": "Application/X-NDJSON"}
ROWS = pd.DataFrame({"age": [61, 200, 3], "blood pressure": [140.5, 100, None], "ward": ["north", "north", None]})


def lines(said) -> list[dict[str, object]]:
    assert said.status_code == 200, said.text
    return [json.loads(line) for line in said.text.splitlines()]


def parquet(frame: pd.DataFrame | pa.Table, **how: object) -> bytes:
    target = io.BytesIO()
    pq.write_table(frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame), target, **how)
    return target.getvalue()


def test_csv_and_parquet_get_the_answers_that_their_rows_get_alone(asked, toy) -> None:
    alone = asked.post("/v1/predict", json=GOOD).json()
    text = ROWS.to_csv(index=False).encode()
    for said in (
        asked.post("/v1/predict_file", content=text, headers=CSV | LINES),
        asked.post("/v1/predict_file", content=parquet(ROWS), headers=PARQUET | LINES),
        asked.post("/v1/predict_file", files={"file": ("../../etc/passwd.csv", text)}, headers=LINES),
        asked.post(
            "/v1/predict_file", content=parquet(ROWS), headers={"content-type": "application/octet-stream"} | LINES
        ),
    ):
        first, second, third = lines(said)
        assert first["probability_ill"] == alone["probabilities"]["ill"]
        assert first["fake_probability"] == alone["fake_probability"]
        assert first["model"] == said.headers["x-ssgan-model"] == toy[1]
        assert first["request_id"] == said.headers["x-request-id"]
        assert (second["label"], second["refused"]) == (None, "age: outside range")
        assert (third["_row"], third["refused"]) == (3, None)


def test_answers_come_as_csv_unless_lines_are_asked_for(asked) -> None:
    said = asked.post("/v1/predict_file", content=ROWS.to_csv(index=False).encode(), headers=CSV)
    assert said.headers["content-type"] == "text/csv; charset=utf-8"
    frame = pd.read_csv(io.StringIO(said.text))
    assert list(frame["_row"]) == [1, 2, 3]
    assert "prediction_set" in frame


REFUSED = [
    (b"", CSV, 400, "empty"),
    (b"age,ward,blood pressure\n", CSV, 400, "data rows"),
    (b"agee,ward\n1,north\n", CSV, 400, "no column `age`"),
    (b"age,ward,blood pressure\n1,2\n", CSV, 400, "cells where"),
    (b"age,ward,blood pressure\n" + b"1,north,80\n" * 501, CSV, 413, "more than 500 rows"),
    (b"," * 9000 + b"\n", CSV, 413, "columns"),
    (b"\x00\x01\x02\xff" * 100, CSV, 400, ""),
    (b'age,ward,blood pressure\n"' + b"x" * 1000, CSV, 400, ""),
    (b"PAR1" + b"\x00" * 64 + b"PAR1", PARQUET, 400, "Parquet"),
    (parquet(ROWS)[:-30], PARQUET, 400, "Parquet"),
    (b"not a picture", {"content-type": "image/png"}, 415, "no images"),
    (b"x", {"content-type": "multipart/form-data"}, 400, "form"),
    (b"x", {"content-type": "multipart/form-data; boundary=x"}, 400, "form"),
]


@pytest.mark.parametrize(("body", "kind", "status", "words"), REFUSED, ids=range(len(REFUSED)))
def test_a_file_that_cannot_be_answered_is_refused_in_words(asked, body, kind, status, words) -> None:
    said = asked.post("/v1/predict_file", content=body, headers=kind)
    assert said.status_code == status, said.text
    assert words in said.json()["error"]
    assert "/tmp" not in said.text


def test_a_file_compressed_by_gzip_is_told_as_one(asked) -> None:
    content = gzip.compress(ROWS.to_csv(index=False).encode())
    for said in (
        asked.post("/v1/predict_file", content=content, headers=CSV),
        asked.post("/v1/predict_file", files={"file": ("rows.csv", content)}),
        asked.post("/v1/predict_file", files={"file": ("rows.csv.gz", content, "text/csv")}),
    ):
        assert (said.status_code, said.json()["error"][:31]) == (415, "the file is compressed by gzip;")


def test_a_full_disk_is_told_and_the_next_file_is_answered(asked) -> None:
    content, (soft, hard) = ROWS.to_csv(index=False).encode(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        said = asked.post("/v1/predict_file", content=content, headers=CSV)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (said.status_code, said.headers["retry-after"]) == (503, "60")
    assert "no room to read a file" in said.json()["error"]
    assert asked.post("/v1/predict_file", content=content, headers=CSV).status_code == 200


def test_an_address_in_place_of_a_file_is_never_fetched(asked) -> None:
    for form in ({"file": "http://127.0.0.1:1/x.csv"}, {"file": "file:///etc/passwd"}, {"other": "x"}):
        said = asked.post("/v1/predict_file", files={name: (None, value) for name, value in form.items()})
        assert said.status_code == 400
        assert "not its name or its address" in said.text


def many_rows() -> pa.Table:
    return pa.table({"age": np.zeros(2_000_000, np.int8)})


def one_long_word() -> pa.Table:
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(400, np.int32)), pa.array(["x" * 4_000_000]))
    return pa.table({"age": [1] * 400, "blood pressure": [90.0] * 400, "ward": long})


def one_large_page() -> pa.Table:
    return pa.table({"age": [1.0], "blood pressure": [1.0], "ward": ["z" * 30_000_000]})


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (many_rows, "2000000 rows, and 500 are allowed"),
        (one_long_word, "more memory than is allowed"),  # 1.6 GB, which the reader never gets
        (one_large_page, "rows need more than 2621440 bytes"),
    ],
)
def test_a_parquet_bomb_bursts_alone(asked, made, words) -> None:
    body = parquet(made(), compression="zstd")
    assert len(body) < 260_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = asked.post("/v1/predict_file", content=body, headers=PARQUET)
    assert said.status_code == 413, said.text
    assert words in said.json()["error"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    assert asked.post("/v1/predict", json=GOOD).status_code == 200


def test_the_system_holds_whoever_reads_a_file_to_a_gibibyte_and_twenty_seconds(toy, tmp_path) -> None:
    project, tag = toy
    (tmp_path / "contract.json").write_bytes((model_folder(project, tag) / "schema.json").read_bytes())
    file = tmp_path / "file.csv"
    os.mkfifo(file)  # in which nothing comes, so that the reader waits in the middle of its work
    ends: list[int] = []

    def is_being_read() -> bool:
        try:
            ends.append(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    with subprocess.Popen([sys.executable, "-m", "serving.reader", str(file), "500", "1000000"]) as reader:
        try:
            eventually(is_being_read)
            kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_CORE)
            limits = [resource.prlimit(reader.pid, kind) for kind in kinds]
        finally:
            reader.kill()
            for end in ends:
                os.close(end)
    assert limits == [(2**30, 2**30), (20, 20), (0, 0)]


@pytest.mark.parametrize(
    ("content", "media", "words"),
    [
        (b"age,blood pressure,ward61,140.5,north", "text/csv", "with curl send it by --data-binary"),
        (b"age,blood pressure,ward\n61,140,north\n61\n", "text/csv", "the file: data row 2 has 1 cell"),
        (b"age,blood pressure,ward\n", "text/csv", "the file has column names but no data rows"),
        (
            b"age,ward\n61,north\n",
            "application/octet-stream",
            "cannot be seen from its first bytes; send `content-type",
        ),
        (b"age,ward\n61,north\n", "application/x-www-form-urlencoded", "send `content-type: text/csv`"),
    ],
)
def test_a_file_sent_wrongly_is_told_how_to_send_it(asked, content, media, words) -> None:
    said = asked.post("/v1/predict_file", content=content, headers={"content-type": media})
    assert said.status_code in (400, 415)
    assert words in said.json()["error"]
