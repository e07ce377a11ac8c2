"""What the service answers, and how it refuses."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from made import GOOD, IMAGE, VALUE, add_model, served

from ssgan.learn.parts import encode_image
from ssgan.records import Calibration, ColumnRange
from ssgan.ship.packaged import load_packaged
from ssgan.ship.score import score


def test_an_answer_says_how_sure_it_is_and_where_it_comes_from(asked, toy) -> None:
    said = asked.post("/v1/predict", json=GOOD, headers={"x-request-id": "mine-1"})
    assert said.status_code == 200, said.text
    answer = said.json()
    assert answer["label"] in ("ill", "well")
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["prediction_set"] == [name for name, share in answer["probabilities"].items() if 1 - share <= 0.6]
    assert answer["coverage"] == 0.9
    assert answer["unlike_training_data"] is False
    assert answer["lineage"] | {"model": toy[1], "request_id": "mine-1", "data_version": "data-0"} == answer["lineage"]
    assert (said.headers["x-request-id"], said.headers["x-ssgan-model"]) == ("mine-1", toy[1])
    assert said.headers["x-ssgan-git-commit"] == "c" * 40


def test_many_records_get_the_bits_that_each_gets_alone(asked) -> None:
    records = [GOOD | {"age": age, "blood pressure": None if age % 3 else 80.0 + age} for age in range(0, 120, 5)]
    many = asked.post("/v1/predict_many", json={"records": records}).json()
    alone = [asked.post("/v1/predict", json=record).json() for record in records]
    for one in alone:
        del one["lineage"]
    assert many["answers"] == alone
    assert many["lineage"]["data_version"] == "data-0"


def test_a_missing_value_may_be_null_or_left_out(asked) -> None:
    left_out = asked.post("/v1/predict", json={"age": 61})
    null = asked.post("/v1/predict", json={"age": 61, "blood pressure": None, "ward": None})
    assert left_out.status_code == null.status_code == 200
    assert left_out.json()["probabilities"] == null.json()["probabilities"]


def test_values_come_with_an_interval_and_rows_unlike_the_training_data_with_a_flag(own) -> None:
    tag = add_model(own, label=VALUE, calibration=Calibration(rows=90, coverage=0.8, half_width=2.5, fake_limit=0.0))
    with served(own, tag) as (client, _):
        said = client.post("/v1/predict", json=GOOD).json()
    assert said["interval"] == pytest.approx([said["value"] - 2.5, said["value"] + 2.5])
    assert said["coverage"] == 0.8
    assert said["unlike_training_data"] is True
    assert "label" not in said


def test_the_ends_of_an_interval_lie_where_labels_may_lie_in_the_service_and_in_score_alike(own, tmp_path) -> None:
    def ends(**limits) -> tuple[float, list[float], list[float]]:
        """The value, the interval of a record, and that of the same record in a file."""
        calibration = Calibration(rows=90, coverage=0.8, half_width=1000.0)
        severity = limits.pop("severity", {})
        tag = add_model(own, label=VALUE | limits, calibration=calibration, severity=severity)
        with served(own, tag) as (client, _):
            said = client.post("/v1/predict", json=GOOD).json()
            many = client.post("/v1/predict_many", json={"records": [GOOD]}).json()["answers"][0]
        assert many["interval"] == said["interval"]
        (tmp_path / "rows.csv").write_text("age,blood pressure,ward\n61,140.5,north\n")
        score(own, tmp_path / "rows.csv", tmp_path / "answers.parquet")
        scored = pd.read_parquet(tmp_path / "answers.parquet")
        assert scored["value"].tolist() == [said["value"]]
        return said["value"], said["interval"], scored[["low", "high"]].iloc[0].tolist()

    value, free, scored = ends()
    assert free == scored == [value - 1000, value + 1000]
    value, kept, scored = ends(min=0.0, max=500.0)
    assert kept == scored == [0.0, 500.0]
    value, below, scored = ends(max=value - 2000)  # beyond the range as a whole
    assert below == scored == [value - 2000, value - 2000]
    value, loose, scored = ends(min=0.0, severity={"label outside range": "info"})
    assert loose == scored == [value - 1000, value + 1000]


def test_columns_outside_of_what_training_rows_hold_are_named_and_counted(own) -> None:
    ranges = (
        ColumnRange(column="age", seen=(20.0, 90.0), limits=(10.0, 100.0)),
        ColumnRange(column="ward", seen=None, limits=None, unseen=("south, upper",)),
    )
    hidden = ColumnRange(column="blood pressure", seen=(60.0, 70.0), limits=(50.0, 80.0))
    calibration = Calibration(rows=90, coverage=0.9, ranges=ranges)
    also = calibration.model_copy(update={"ranges": (hidden,)})
    with served(own, add_model(own, seed=1, calibration=also, log_without=["blood pressure"])) as (client, _):
        said = client.post("/v1/predict", json=GOOD).json()
    assert said["outside_training_range"] == [{"field": "blood pressure", "seen": None}]
    tag = add_model(own, calibration=calibration)
    strange = GOOD | {"age": 110, "ward": "south, upper"}
    with served(own, tag) as (client, _):
        good, said = (client.post("/v1/predict", json=each).json() for each in (GOOD, strange))
        table = client.post(
            "/v1/predict_file",
            content='age,blood pressure,ward\n61,140.5,north\n110,140.5,"south, upper"\n',
            headers={"content-type": "text/csv", "accept": "application/x-ndjson"},
        ).text.splitlines()
        assert "ssgan_rows_unlike_training_data_total 2.0" in client.get("/metrics").text
    assert (good["unlike_training_data"], good["outside_training_range"]) == (False, [])
    assert said["unlike_training_data"] is True
    assert said["outside_training_range"] == [{"field": "age", "seen": [20.0, 90.0]}, {"field": "ward", "seen": None}]
    assert [json.loads(row)["outside_training_range"] for row in table] == [None, "age; ward"]


@pytest.mark.parametrize("withheld", [False, True])
def test_what_an_image_looks_like_is_held_against_the_training_images_and_named(own, withheld) -> None:
    light = ColumnRange(column="brightness", seen=(0.1, 0.6), limits=(0.0, 0.7))
    calibration = Calibration(rows=90, coverage=0.9, ranges=(light,))
    about = {"log_without": ["scan"]} if withheld else {}
    dim, bright = (encode_image(np.full((8, 8, 1), value, np.uint8)) for value in (100, 250))
    headers = {"content-type": "image/png"}
    with served(own, add_model(own, columns=IMAGE, calibration=calibration, **about)) as (client, _):
        usual, strange = (client.post("/v1/predict_file", content=png, headers=headers).json() for png in (dim, bright))
    assert (usual["unlike_training_data"], usual["outside_training_range"]) == (False, [])
    assert strange["unlike_training_data"] is True
    told = {"field": "brightness", "seen": None if withheld else [0.1, 0.6]}
    assert strange["outside_training_range"] == [told]


def test_without_calibration_nothing_is_said_about_coverage(own) -> None:
    tag = add_model(own, calibration=Calibration(rows=0, coverage=0.9))
    with served(own, tag) as (client, _):
        said = client.post("/v1/predict", json=GOOD).json()
    assert said["prediction_set"] is None
    assert said["coverage"] is None


FLAGS: dict[str, object] = {
    "smoker": {"type": "category", "values": ["False", "True"], "nullable": True},
    "grade": {"type": "category", "values": ["1", "2", "2.5"]},
    "word": {"type": "category", "values": ["true", "false"]},
}
FLAGGED = [(True, 1, "true"), (False, 2.0, "false"), (None, 2.5, "true"), (1, 1, "true"), (True, True, "true")]
FLAGGED += [(True, 1, True), (True, 3, "true")]


@pytest.mark.parametrize("cells", FLAGGED, ids=str)
def test_truth_values_and_numbers_in_place_of_words_are_taken_as_a_file_s_are(own, cells) -> None:
    frame = pd.DataFrame([cells], columns=list(FLAGS))
    with served(own, add_model(own, columns=FLAGS)) as (client, _):
        alone = client.post("/v1/predict", json=dict(zip(FLAGS, cells, strict=True)))
        media = {"content-type": "application/x-parquet", "accept": "application/x-ndjson"}
        row = json.loads(client.post("/v1/predict_file", content=frame.to_parquet(), headers=media).text)
    assert alone.status_code == (200 if row["refused"] is None else 400), alone.text
    assert alone.json().get("fake_probability") == row["fake_probability"]


def test_truth_values_of_many_records_are_taken_logged_as_words_and_described(own) -> None:
    records = [{"smoker": True, "grade": 2, "word": "true"}, {"smoker": "True", "grade": "2", "word": "true"}]
    with served(own, add_model(own, columns=FLAGS), log=True) as (client, _):
        first, second = client.post("/v1/predict_many", json={"records": records}).json()["answers"]
        client.post("/v1/predict", json=records[0])
        told = client.get("/docs.json").json()["components"]["schemas"]["Record"]["properties"]
    assert first == second
    assert told["smoker"]["anyOf"][0]["enum"] == ["False", "True", False, True]
    assert told["word"]["enum"] == ["true", "false"]
    logged = pd.concat(map(pd.read_parquet, own.runtime.glob("predictions/*.parquet")))
    assert logged[["smoker", "grade"]].to_numpy().tolist() == [["True", "2"]] * 3


WRONG = [
    ({"age": -1}, "age", "outside range", "-1", "from 0 to 120 years"),
    ({"age": 61.5}, "age", "not an integer", "61.5", "whole number"),
    ({"age": "61"}, "age", "not a number", "61", "must be a number"),
    ({"age": True}, "age", "not a number", "true", "must be a number"),
    ({"age": None}, "age", "not a number", "null", "must be a number"),
    ({"age": [61]}, "age", "not a number", "a list of 1", "must be a number"),
    ({"blood pressure": "high"}, "blood pressure", "not a number", "high", "or null"),
    ({"ward": "west"}, "ward", "unknown value", "west", "one of 'north', 'south, upper' or null"),
    ({"ward": 3}, "ward", "unknown value", "3", "one of"),
    ({"agee": 1}, "agee", "unknown field", "1", "did you mean `age`?"),
    ({"x" * 500: 1}, "x" * 80 + "...", "unknown field", "1", "leave it out"),
    ({"ward": "w" * 500}, "ward", "unknown value", "w" * 80 + "...", "one of"),
]


@pytest.mark.parametrize(("change", "field", "rule", "value", "hint"), WRONG, ids=lambda each: str(each)[:20])
def test_a_wrong_field_is_named_with_its_rule_and_value(asked, change, field, rule, value, hint) -> None:
    said = asked.post("/v1/predict", json=GOOD | change)
    assert said.status_code == 400
    (fault,) = said.json()["faults"]
    assert (fault["field"], fault["rule"], fault["value"]) == (field, rule, value)
    assert hint in fault["message"]
    assert fault["message"] in said.json()["error"]
    assert "pydantic" not in said.text


def test_every_wrong_field_is_listed_at_once(asked) -> None:
    faults = asked.post("/v1/predict", json={"age": 400, "ward": "west", "q": 1}).json()["faults"]
    assert {fault["field"] for fault in faults} == {"age", "ward", "q"}


TWICE = [
    ("predict", '{"age": 200, "age": 61}', {"field": "age"}),
    ("predict", '{"age": 61, "ward": "north", "w\\u0061rd": "north"}', {"field": "ward"}),
    ("predict_many", '{"records": [{"age": 1}, {"age": 2, "age": 3}]}', {"field": "age", "record": 1}),
    ("predict_many", '{"records": [{"age": -1}], "records": [{"age": 3}]}', {"field": "records"}),
]


@pytest.mark.parametrize(("path", "body", "where"), TWICE, ids=[each[1][:40] for each in TWICE])
def test_a_name_that_is_there_twice_is_refused(asked, path, body, where) -> None:
    said = asked.post(f"/v1/{path}", content=body, headers={"content-type": "application/json"})
    assert said.status_code == 400
    message = f"`{where['field']}` is there twice; send it once"
    assert said.json()["faults"] == [{**where, "rule": "twice", "value": "", "message": message}]


def test_a_colon_within_a_word_is_no_second_name(own) -> None:
    columns = {"ratio": {"type": "category", "values": ["1:2", "1:3"]}}
    with served(own, add_model(own, columns=columns)) as (client, _):
        assert client.post("/v1/predict", json={"ratio": "1:2"}).status_code == 200
        assert client.post("/v1/predict_many", json={"records": [{"ratio": "1:2"}] * 3}).status_code == 200


def test_a_name_in_other_letters_is_told_the_right_one_first(asked) -> None:
    said = asked.post("/v1/predict", json={"AGE": 61}).json()
    assert said["error"] == "2 fields are wrong: `AGE` is 61: no such field; did you mean `age`?"


@pytest.mark.parametrize("path", ["predict", "predict_many"])
def test_json_may_begin_with_the_mark_that_some_programs_put_before_utf_8(asked, path) -> None:
    body = json.dumps(GOOD if path == "predict" else {"records": [GOOD]})
    media = {"content-type": "application/json"}
    assert asked.post(f"/v1/{path}", content=body.encode("utf-8-sig"), headers=media).status_code == 200
    assert "send it in UTF-8" in asked.post(f"/v1/{path}", content=body.encode("utf-16"), headers=media).text


@pytest.mark.parametrize("path", ["predict", "predict_many", "predict_file"])
def test_a_compressed_body_is_refused_as_such(asked, path) -> None:
    media = "text/csv" if path == "predict_file" else "application/json"
    headers = {"content-type": media, "content-encoding": "gzip"}
    said = asked.post(f"/v1/{path}", content=gzip.compress(b"{}"), headers=headers)
    assert (said.status_code, said.headers["accept-encoding"]) == (415, "identity")
    assert "must not be compressed" in said.json()["error"]


def test_a_body_that_was_lost_with_an_upgrade_is_told_as_that(asked) -> None:
    headers = {"content-type": "application/json", "upgrade": "h2c", "connection": "upgrade"}
    said = asked.post("/v1/predict", content=b"", headers=headers)
    assert (said.status_code, said.headers["connection"]) == (400, "close")
    assert "HTTP/1.1 alone" in said.json()["error"]


def test_of_many_records_the_first_wrong_one_is_named(asked) -> None:
    said = asked.post("/v1/predict_many", json={"records": [GOOD, GOOD, {"age": 999}, {"age": -1}]})
    assert said.status_code == 400
    assert [(fault["record"], fault["field"]) for fault in said.json()["faults"]] == [(2, "age")]


NO_RECORDS = (b"", b"{", b"[]", b"null", b"3", b'"age"', b'{"age": NaN}', b'{"age": 1e999}', b"[" * 9999, b"\xff\xfe")


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict_many"])
@pytest.mark.parametrize("body", NO_RECORDS)
def test_a_body_that_is_no_record_is_refused(asked, body, path) -> None:
    said = asked.post(path, content=body, headers={"content-type": "application/json"})
    assert said.status_code == 400
    assert said.json()["faults"]


@pytest.mark.parametrize("count", [0, 10_001])
def test_there_must_be_1_to_10000_records(own, count) -> None:
    with served(own, add_model(own)) as (client, _):
        said = client.post("/v1/predict_many", json={"records": [{"age": 1}] * count})
    assert said.status_code == 400
    assert "1 to 10000 records" in said.text


def test_a_record_with_thousands_of_fields_is_refused_before_it_is_unpacked(asked) -> None:
    body = json.dumps({f"f{number}": 1 for number in range(15_000)})
    said = asked.post("/v1/predict", content=body, headers={"content-type": "application/json"})
    assert said.status_code == 413


def test_each_path_takes_its_own_method_and_media(asked) -> None:
    assert asked.get("/v1/predict").status_code == 405
    assert asked.get("/v1/predict").headers["allow"] == "POST"
    assert asked.post("/v1/schema").status_code == 405
    assert asked.post("/v1/schema").headers["allow"] == "GET, HEAD"
    assert asked.post("/v1/predict", content=b"age=61").status_code == 415
    assert asked.post("/v1/predict_file", content=b"x", headers={"content-type": "text/x"}).status_code == 415


def test_only_our_paths_and_the_signs_of_life_are_there(asked) -> None:
    assert asked.get("/livez").text == asked.get("/readyz").text == "behind the door"
    for path in ("/static_content/swagger-ui.css", "/index.html", "/v1/../../etc/passwd", "/v1"):
        said = asked.get(path)
        assert said.status_code == 404
        assert said.json()["error"].startswith("there is no /")


def test_schema_lineage_description_metrics_and_page_can_be_asked_for(asked, toy) -> None:
    assert set(asked.get("/v1/schema").json()["columns"]) == {"age", "blood pressure", "ward"}
    assert asked.get("/v1/lineage").json()["model"] == toy[1]
    description = asked.get("/docs.json").json()
    assert description["components"]["schemas"]["Record"]["required"] == ["age"]
    assert "/v1/predict_many" in description["paths"]
    asked.post("/v1/predict", json=GOOD)
    assert 'ssgan_requests_total{path="/v1/predict",status="200"}' in asked.get("/metrics").text
    assert asked.head("/metrics").status_code == 200
    page = asked.get("/ui")
    assert page.text == asked.get("/").text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not [word for word in ("http://", "https://", "//cdn") if word in page.text]


def test_an_image_is_taken_as_a_png_or_as_its_base64(own) -> None:
    import base64

    tag = add_model(own, columns=IMAGE)
    png = encode_image(np.arange(64, dtype=np.uint8).reshape(8, 8, 1))
    with served(own, tag) as (client, _):
        text = client.post("/v1/predict", json={"scan": base64.b64encode(png).decode()})
        raw = client.post("/v1/predict_file", content=png, headers={"content-type": "image/png"})
        form = client.post("/v1/predict_file", files={"file": ("../../x.png", png)})
        large = encode_image(np.zeros((9, 9, 1), np.uint8))
        wrong = client.post("/v1/predict_file", content=large, headers={"content-type": "image/png"})
        no_text = client.post("/v1/predict", json={"scan": "%%%"})
    assert text.json()["probabilities"] == raw.json()["probabilities"] == form.json()["probabilities"]
    assert wrong.status_code == no_text.status_code == 400
    assert "8x8" in wrong.json()["error"]
    assert no_text.json()["faults"][0]["rule"] == "not a PNG of the declared size"


def test_a_broken_model_is_never_served(own) -> None:
    tag = add_model(own)
    folder = own.bentos / "models" / tag.replace(":", "/")
    (folder / "encoder.json").write_text("{}")
    from ssgan.errors import ArtefactError

    with pytest.raises(ArtefactError, match=r"encoder\.json"):
        load_packaged(folder)
    with pytest.raises(ArtefactError), served(own, tag):
        pass


SENTENCES = {
    "nothing": ("predict", "", "the body must be JSON: it is empty"),
    "a list": ("predict", "[]", "/v1/predict takes one record, /v1/predict_many takes"),
    "many sent where one is taken": ("predict", {"records": [GOOD]}, "is for /v1/predict_many; send it there"),
    "one sent where many are taken": ("predict_many", GOOD, "this is one record; send it to /v1/predict, or as"),
    "no record": ("predict_many", {"records": []}, "must hold 1 to 10000 records, and it holds 0"),
    "the second is wrong": (
        "predict_many",
        {"records": [GOOD, {"age": -1}]},
        "1 field of record 1 (the first is 0) is",
    ),
    "two are wrong": ("predict", {"age": -1, "ward": "west"}, "2 fields are wrong: `age` is -1: must be from 0 to 120"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_a_refusal_s_sentence_says_what_is_wrong_and_what_to_send(asked, case) -> None:
    path, body, words = SENTENCES[case]
    content = body if isinstance(body, str) else json.dumps(body)
    said = asked.post(f"/v1/{path}", content=content, headers={"content-type": "application/json"})
    assert said.status_code == 400
    assert words in said.json()["error"]
    assert len(said.json()["faults"]) == (2 if case == "two are wrong" else 1)


def test_a_wrong_method_and_a_wrong_path_are_told_what_there_is(asked) -> None:
    assert asked.put("/v1/predict").json()["error"] == "/v1/predict takes POST, not PUT; send that"
    assert asked.get("/health").json()["error"].endswith("/livez, /readyz")


@pytest.mark.parametrize(
    ("severity", "change", "status"),
    [
        ({}, {"age": 130}, 400),
        ({}, {"age": 15.999999999999998}, 400),
        ({"outside range": "info"}, {"age": 130}, 200),
        ({"outside range": "info"}, {"age": 61.5}, 400),
        ({"not an integer": "info"}, {"age": 61.5}, 200),
        ({"not an integer": "info"}, {"age": 130}, 400),
    ],
)
def test_what_the_contract_calls_info_is_answered(own, severity, change, status) -> None:
    with served(own, add_model(own, severity=severity)) as (client, _):
        assert client.post("/v1/predict", json=GOOD | change).status_code == status
        known = client.get("/docs.json").json()["components"]["schemas"]["Record"]["properties"]["age"]
    assert ("maximum" in known) == ("outside range" not in severity)
    assert ("multipleOf" in known) == ("not an integer" not in severity)
