"""The prediction log: what is in it, that nothing of it is lost, and that no answer waits for it."""

from __future__ import annotations

import base64
import fcntl
import math
import os
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from made import COLUMNS, GOOD, IMAGE, LABEL, VALUE, add_model, eventually, served

from serving.layout import Layout
from serving.logbook import look, table_of
from serving.model import Model
from serving.rowfiles import Block, RowFile
from ssgan.config import ServeParams
from ssgan.contract import Contract
from ssgan.learn.artefact import Predictions
from ssgan.learn.parts import encode_image
from ssgan.project import Project
from ssgan.records import Calibration, ColumnRange
from ssgan.ship.champion import model_folder


def logged(project: Project) -> pd.DataFrame:
    """All rows of the log, by time."""
    files = sorted((project.runtime / "predictions").glob("*.parquet"))
    rows = pd.concat([pq.read_table(file).to_pandas() for file in files])
    return rows.sort_values("_at", kind="stable", ignore_index=True)


def test_it_holds_requests_and_answers_without_the_columns_that_the_contract_leaves_out(own) -> None:
    tag = add_model(own, log_without=["ward"])
    with served(own, tag, log=True) as (client, _):
        one = client.post("/v1/predict", json=GOOD).json()
        client.post("/v1/predict_many", json={"records": [{"age": 1}, {"age": 2}]})
        client.post("/v1/predict", json={"age": -1})
        table = "age,blood pressure,ward\n3,90,north\n4,,\n"
        assert client.post("/v1/predict_file", content=table, headers={"content-type": "text/csv"}).is_success
        (open_file,) = (own.runtime / "predictions").glob("*.rows")
        eventually(lambda: one["lineage"]["request_id"].encode() in open_file.read_bytes())
        assert b'"north"' not in open_file.read_bytes().partition(b"\n")[2]
    (file,) = (own.runtime / "predictions").iterdir()
    found = logged(own)
    assert found["age"].tolist() == [61, 1, 2, 3, 4]
    assert "ward" not in found
    first = found.iloc[0]
    assert (first["age"], first["blood pressure"], first["_label"]) == (61, 140.5, one["label"])
    assert first["_probability_ill"] == one["probabilities"]["ill"]
    assert (first["_prediction_set"].tolist(), first["_coverage"]) == (one["prediction_set"], one["coverage"])
    assert first["_fake_probability"] == one["fake_probability"]
    assert (first["_request"], first["_model"]) == (one["lineage"]["request_id"], tag)
    assert pd.isna(found["blood pressure"].iloc[1])
    assert oct(file.stat().st_mode)[-3:] == "600"


def test_it_names_columns_outside_of_what_training_rows_hold_but_for_those_left_out(own) -> None:
    ranges = tuple(ColumnRange(column=name, seen=(0, 9), limits=(0, 10)) for name in ("age", "blood pressure"))
    calibration = Calibration(rows=90, coverage=0.9, ranges=ranges)
    with served(own, add_model(own, calibration=calibration, log_without=["age"]), log=True) as (client, _):
        client.post("/v1/predict", json=GOOD)
        client.post("/v1/predict", json={"age": 5})
    found = logged(own)
    assert found["_unlike_training_data"].tolist() == [True, False]
    assert found["_outside_training_range"][0] == "blood pressure"
    assert pd.isna(found["_outside_training_range"][1])


@pytest.mark.parametrize("withheld", [False, True])
def test_what_an_image_looks_like_is_left_out_with_the_image(own, withheld) -> None:
    light = ColumnRange(column="brightness", seen=(0.0, 0.1), limits=(0.0, 0.2))
    about = {"log_without": ["scan"]} if withheld else {}
    calibration = Calibration(rows=90, coverage=0.9, ranges=(light,))
    with served(own, add_model(own, columns=IMAGE, calibration=calibration, **about), log=True) as (client, _):
        png = encode_image(np.full((8, 8, 1), 250, np.uint8))
        assert client.post("/v1/predict_file", content=png, headers={"content-type": "image/png"}).is_success
    found = logged(own)
    assert found["_unlike_training_data"].tolist() == [True]
    told = found["_outside_training_range"].dropna().tolist()
    assert ("scan" in found, told) == ((False, []) if withheld else (True, ["brightness"]))


def test_of_values_it_holds_the_interval_and_of_categories_the_words(own) -> None:
    tag = add_model(own, label=VALUE, calibration=Calibration(rows=90, coverage=0.9, half_width=2.5))
    with served(own, tag, log=True) as (client, _):
        said = client.post("/v1/predict", json=GOOD).json()
        client.post("/v1/predict", json={"age": 5})
    found = logged(own)
    assert (found["_value"][0], found["_low"][0], found["_high"][0]) == (said["value"], *said["interval"])
    assert found["ward"][0] == "north"
    assert pd.isna(found["ward"][1])


def test_of_images_it_holds_the_png_however_it_was_sent(own) -> None:
    png = encode_image(np.arange(64, dtype=np.uint8).reshape(8, 8, 1))
    text = base64.b64encode(png).decode()
    with served(own, add_model(own, columns=IMAGE), log=True) as (client, _):
        assert client.post("/v1/predict", json={"scan": text}).is_success
        assert client.post("/v1/predict_many", json={"records": [{"scan": text}]}).is_success
        assert client.post("/v1/predict_file", content=png, headers={"content-type": "image/png"}).is_success
    assert logged(own)["scan"].tolist() == [text] * 3


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("label", [LABEL, VALUE])
def test_a_record_and_the_same_row_of_a_table_are_the_same_bytes_and_come_back_whole(label, known) -> None:
    task = "classification" if label is LABEL else "regression"
    contract = Contract.model_validate({"name": "toy", "task": task, "label": label, "columns": COLUMNS})
    shares, ends = np.array([[0.3, 0.7]]), np.array([1.0])
    said = Predictions(
        np.array(["well"]), shares, np.array([0.1]), np.array([True]), sets=shares > 0.5 if known else None
    )
    if label is VALUE:
        low = ends if known else None
        said = Predictions(np.array([1.5]), None, np.array([0.1]), np.array([True]), low=low, high=low)
    ranged = ("age", "blood pressure", "ward")
    said = replace(said, outside=np.array([[True, False, True]]) if known else None)
    layout = Layout.of(contract, ranged)
    record = layout.record(1.25, "one", {"age": 3.0, "ward": None}, said)
    columns = {"age": np.array([3.0]), "blood pressure": np.array([math.nan]), "ward": np.array([None], object)}
    assert record == layout.columns(1.25, "one", columns, said)
    back = layout.said(np.frombuffer(record[0], layout.row))
    for name in ("answer", "probabilities", "fake_probability", "unlike", "sets", "low", "high", "outside"):
        np.testing.assert_array_equal(getattr(back, name), getattr(said, name))


def test_files_are_closed_by_size_and_deleted_when_old(own) -> None:
    folder = own.runtime / "predictions"
    folder.mkdir(parents=True)
    old = folder / "old.parquet"
    old.touch()
    os.utime(old, (0, 0))
    with served(own, add_model(own), log=True, log_file_mb=0.0001) as (client, desk):
        for count in (1, 2):
            client.post("/v1/predict", json=GOOD)
            eventually(lambda count=count: len(list(folder.glob("2*.parquet"))) == count)
        assert not old.exists()
        assert os.getpgid(desk._log._files.process.pid) != os.getpgid(
            0
        )  # Ctrl-C ends the service, and not what writes for it


def test_a_bento_alone_logs_where_it_is_told_to(own) -> None:
    with served(own, add_model(own), follow=False, log=True) as (client, _):
        client.post("/v1/predict", json=GOOD)
    (file,) = (own.root / "log").glob("*.parquet")
    assert pq.read_table(file).num_rows == 1


def test_files_are_closed_by_age(own) -> None:
    file = RowFile(own.root, 1, Model.load(model_folder(own, add_model(own))))
    assert not file.is_full(ServeParams())
    assert file.is_full(ServeParams(log_file_minutes=1e-9))
    file.close()


SERVICE = """
import sys, time
from pathlib import Path
from serving.background import Exchange
from serving.log import PredictionLog
from serving.model import Model
from ssgan.config import ServeParams

model = Model.load(Path(sys.argv[1]))
log = PredictionLog(Path(sys.argv[2]), ServeParams(), print)
said = model.artefact.predict_records([{"age": 1.0}])
for number in range(1000):
    log.add(Exchange(time.time(), str(number), model, said, 9, [{"age": float(number)}]))
log._write()
print("written", flush=True)
log.add(Exchange(time.time(), "in memory", model, said, 9, [{"age": 1.0}]))
sys.stdin.read()
"""


def test_a_killed_service_loses_only_what_was_still_in_memory(own) -> None:
    model = model_folder(own, add_model(own))
    folder = own.runtime / "predictions"
    command = [sys.executable, "-c", SERVICE, model, folder]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as service:
        assert service.stdout.readline() == b"written\n"
        service.kill()
    eventually(lambda: list(folder.glob("*.parquet")) and not list(folder.glob("*.rows")))
    assert logged(own)["age"].tolist()[:1000] == list(range(1000))


def test_a_killed_logbook_gets_another_one_which_finds_what_it_left(own) -> None:
    with served(own, add_model(own), log=True, log_file_mb=0.0001) as (client, desk):
        desk._log._files.process.kill()
        desk._log._files.process.wait()
        client.post("/v1/predict", json=GOOD)
        eventually(lambda: len(list((own.runtime / "predictions").glob("2*.parquet"))) == 1)


@pytest.fixture
def left(own) -> Path:
    """A file that a killed service has left: two rows, then half a block."""
    model = Model.load(model_folder(own, add_model(own)))
    folder = own.runtime / "predictions"
    folder.mkdir(parents=True)
    file, block = RowFile(folder, 1, model), Block(model)
    said = model.artefact.predict_records([GOOD])
    for _ in range(2):
        block.add(*model.layout.record(1.0, "request", GOOD, said))
    file.write(block.message())
    file.write(block.message()[:-5])
    file.close()
    (path,) = folder.glob("*.rows")
    return path


def test_half_a_block_is_nothing(left) -> None:
    assert table_of(left).num_rows == 2
    look(left.parent, 1.0)
    (found,) = left.parent.iterdir()
    assert pq.read_table(found).num_rows == 2


def test_a_file_that_makes_no_sense_is_put_aside_and_does_not_hold_up_the_others(left, caplog) -> None:
    bad = left.with_name("0-0-0.rows")
    bad.write_bytes(b'{"model": {}}\n')
    look(left.parent, 1.0)
    assert sorted(path.suffix for path in left.parent.iterdir()) == [".bad", ".parquet"]
    assert "0-0-0.rows cannot be read" in caplog.text


def test_where_the_disk_is_full_what_is_old_makes_room_and_nothing_is_lost(left, caplog) -> None:
    old = left.with_name("old.parquet")
    old.write_bytes(b"x")
    os.utime(old, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        look(left.parent, 1.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [*left.parent.iterdir()] == [left]
    assert f"{left.name} cannot become Parquet yet, and is kept: File too large" in caplog.text
    look(left.parent, 1.0)
    (found,) = left.parent.iterdir()
    assert pq.read_table(found).num_rows == 2


def test_a_file_of_a_living_service_is_left_alone(left) -> None:
    with left.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        look(left.parent, 1.0)
        assert left.is_file()
    look(left.parent, 1.0)
    assert not left.exists()


def test_what_finds_no_room_in_memory_is_not_logged_but_counted_and_the_answer_comes(own, monkeypatch) -> None:
    monkeypatch.setattr("serving.log.GATHERED_AT_MOST", -1)
    with served(own, add_model(own), log=True) as (client, _):
        assert client.post("/v1/predict", json=GOOD).status_code == 200
        assert 'ssgan_background_dropped_total{task="log"} 1.0' in client.get("/metrics").text


def test_what_finds_no_room_on_the_disk_is_counted_until_there_is_room_again(own) -> None:
    folder = own.runtime / "predictions"
    folder.mkdir(parents=True)
    waiting = folder / "waiting.rows"
    waiting.write_bytes(b"x" * 2**20)
    with waiting.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with served(own, add_model(own), log=True, log_waiting_mb=0.5) as (client, desk):
            assert client.post("/v1/predict", json=GOOD).status_code == 200
            desk._log._wake.set()
            eventually(lambda: 'ssgan_background_dropped_total{task="log"} 1.0' in client.get("/metrics").text)
            waiting.unlink()
            client.post("/v1/predict", json=GOOD)
    assert len(logged(own)) == 1
