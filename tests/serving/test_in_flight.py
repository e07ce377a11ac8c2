"""Models change while requests are answered: no request fails, each answer says which model spoke."""

from __future__ import annotations

import json

import pytest
from made import COLUMNS, GOOD, VALUE, add_model, eventually, served

from ssgan.ship.champion import model_folder, promote
from ssgan.ship.shadow import report, start, stop
from ssgan.ship.watch import Watch


def test_a_champion_with_another_contract_changes_what_is_asked_for(own) -> None:
    first = add_model(own)
    second = add_model(own, columns={"age": COLUMNS["age"], "dose": {"type": "number"}}, label=VALUE)
    with served(own, first) as (client, desk):
        assert client.post("/v1/predict", json=GOOD).status_code == 200
        promote(own, second)
        eventually(lambda: desk.current.model.lineage.model == second)
        assert client.post("/v1/predict", json=GOOD).status_code == 400
        assert "value" in client.post("/v1/predict", json={"age": 1, "dose": 2}).json()
        assert set(client.get("/v1/schema").json()["columns"]) == {"age", "dose"}
        assert "dose" in client.get("/docs.json").json()["components"]["schemas"]["Record"]["properties"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tag": "a"}', "moved"])
def test_a_pointer_that_makes_no_sense_changes_nothing(own, text) -> None:
    tag = add_model(own)
    with served(own, tag) as (client, desk):
        pointer = own.champion.read_text()
        if text == "moved":
            text = json.dumps(json.loads(pointer) | {"model": "../elsewhere", "digest": "0" * 64})
        own.champion.write_text(text)
        desk.current.follow()
        assert client.post("/v1/predict", json=GOOD).json()["lineage"]["model"] == tag
        assert "ssgan_models_refused_total 1.0" in client.get("/metrics").text


def test_a_bento_alone_serves_its_own_model_and_a_broken_champion_does_not_keep_it_from_starting(own) -> None:
    good, broken = add_model(own), add_model(own, 1)
    with served(own, good, follow=False) as (client, _):
        assert client.get("/v1/lineage").json()["model"] == good
    promote(own, broken)
    (model_folder(own, broken) / "encoder.json").unlink()
    from serving.current import Current

    assert Current(model_folder(own, good), own.root, lambda: None, lambda: None).model.lineage.model == good


def test_a_watch_sees_files_come_change_and_go(tmp_path) -> None:
    path, seen = tmp_path / "file", []
    watch = Watch({path: lambda: seen.append(path.read_text() if path.exists() else None)})
    watch.look()
    for text in ("one", "longer"):
        path.write_text(text)
        watch.look()
        watch.look()
    path.unlink()
    watch.look()
    assert seen == ["one", "longer", None]


def test_a_watch_begins_with_what_changed_before_it_began(tmp_path) -> None:
    seen = []
    watch = Watch({tmp_path / "file": lambda: seen.append("looked"), tmp_path / "broken": lambda: 1 // 0})
    watch.start()
    watch.stop()
    assert seen == ["looked"]


def test_a_challenger_answers_in_the_shadow_and_the_differences_are_told(own) -> None:
    champion, challenger = add_model(own), add_model(own, 1)
    with served(own, champion) as (client, desk):
        start(own, challenger)
        eventually(lambda: desk._challenger is not None)
        answers = [client.post("/v1/predict", json=GOOD | {"age": age}).json() for age in range(0, 120, 3)]
        answers += client.post("/v1/predict_many", json={"records": [GOOD] * 10}).json()["answers"]
        summary = own.runtime / "shadow" / challenger.partition(":")[2] / "summary.json"
        eventually(lambda: summary.is_file() and json.loads(summary.read_text())["rows"] == 50)
        assert stop(own) == challenger
        eventually(lambda: desk._challenger is None)
    assert {answer["lineage"]["model"] for answer in answers[:40]} == {champion}
    from ssgan.learn.artefact import Artefact

    theirs = Artefact.load(model_folder(own, challenger)).predict_records(
        [GOOD | {"age": age} for age in range(0, 120, 3)] + [GOOD] * 10
    )
    ours = [answer["label"] for answer in answers]
    different = sum(mine != yours for mine, yours in zip(ours, theirs.answer.tolist(), strict=True))
    found = json.loads(summary.read_text())
    assert (found["requests"], found["different"]) == (41, different)
    assert f"{different} rows" in report(own, None)
    assert len((summary.parent / "differences.jsonl").read_text().splitlines() if different else []) == different


def test_a_challenger_with_another_contract_counts_what_it_would_refuse(own) -> None:
    narrow = {**COLUMNS, "age": {"type": "number", "min": 0, "max": 50}}
    champion, challenger = add_model(own), add_model(own, 1, columns=narrow)
    with served(own, champion) as (client, desk):
        start(own, challenger)
        eventually(lambda: desk._challenger is not None)
        client.post("/v1/predict_many", json={"records": [GOOD | {"age": age} for age in (10, 20, 70)]})
        summary = own.runtime / "shadow" / challenger.partition(":")[2] / "summary.json"
        eventually(summary.is_file)
    found = json.loads(summary.read_text())
    assert (found["rows"], found["refused"]) == (2, 1)
