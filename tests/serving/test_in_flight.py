"""Models change while requests are answered: no request fails, each answer says which model spoke."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from made import COLUMNS, GOOD, LABEL, VALUE, add_model, eventually, served

from serving.background import Exchange
from serving.current import Current
from serving.model import Model
from serving.shadow import Challenger, _differences
from ssgan.records import Calibration
from ssgan.ship.champion import model_folder, promote
from ssgan.ship.packaged import load_packaged
from ssgan.ship.shadow import Shadow, report, start, stop
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
def test_a_pointer_that_makes_no_sense_changes_nothing_and_is_told_in_a_line(own, text, caplog) -> None:
    tag = add_model(own)
    with served(own, tag) as (client, desk):
        pointer = own.champion.read_text()
        if text == "moved":
            text = json.dumps(json.loads(pointer) | {"model": "../elsewhere", "digest": "0" * 64})
        own.champion.write_text(text)
        desk.current.follow()
        assert client.post("/v1/predict", json=GOOD).json()["lineage"]["model"] == tag
        assert "ssgan_models_refused_total 1.0" in client.get("/metrics").text
    (said,) = {line for line in caplog.messages if line.startswith("the champion is refused")}
    assert "\n" not in said
    assert "pydantic" not in said


def test_a_bento_alone_serves_its_own_model_and_a_broken_champion_does_not_keep_it_from_starting(own) -> None:
    good, broken = add_model(own), add_model(own, 1)
    with served(own, good, follow=False) as (client, _):
        assert client.get("/v1/lineage").json()["model"] == good
    promote(own, broken)
    (model_folder(own, broken) / "encoder.json").unlink()
    assert Current(model_folder(own, good), own.root, lambda: None, lambda: None).model.lineage.model == good


@pytest.mark.parametrize("promoted_while_it_runs", [False, True])
def test_a_refused_champion_is_taken_up_once_it_is_packaged_anew(own, tmp_path, promoted_while_it_runs) -> None:
    good, damaged = add_model(own), add_model(own, 1)
    folder, whole = model_folder(own, damaged), tmp_path / "whole"
    shutil.copytree(folder, whole)
    (folder / "encoder.json").write_text("{}")
    with served(own, good if promoted_while_it_runs else damaged, own=good) as (client, desk):
        promote(own, damaged)
        eventually(lambda: metric(client, "ssgan_models_refused_total") == 1)
        assert client.post("/v1/predict", json=GOOD).json()["lineage"]["model"] == good
        shutil.rmtree(folder)  # as `ssgan package` makes it anew, file by file and under the same pointer
        folder.mkdir()
        for file in sorted(whole.iterdir()):
            shutil.copyfile(file, folder / file.name)
        eventually(lambda: desk.current.model.lineage.model == damaged)
        assert client.post("/v1/predict", json=GOOD).json()["lineage"]["model"] == damaged
        assert metric(client, "ssgan_model_swaps_total") == 1


def test_a_refused_champion_is_not_tried_again_while_its_files_are_as_they_were_or_still_change(own) -> None:
    good, damaged = add_model(own), add_model(own, 1)
    (model_folder(own, damaged) / "encoder.json").write_text("{")
    promote(own, damaged)
    refused: list[int] = []
    current = Current(model_folder(own, good), own.root, lambda: None, lambda: refused.append(1))
    for size in range(5):
        current.look()
        current.look()
        assert len(refused) == 1
        (model_folder(own, damaged) / "encoder.json").write_text("x" * size)
        current.look()  # it has changed: at the next look it may lie still
        (model_folder(own, damaged) / "encoder.json").write_text("{}" + "y" * size)
        current.look()
        assert len(refused) == 1
        current.look()
        assert len(refused) == 2
        del refused[1:]


def metric(client, name: str) -> float:
    """One number of /metrics."""
    (found,) = [line for line in client.get("/metrics").text.splitlines() if line.startswith(f"{name} ")]
    return float(found.split()[1])


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


def test_a_value_that_the_champion_s_interval_would_hold_but_for_the_range_of_labels_is_no_other_answer(own) -> None:
    wide = Calibration(rows=90, coverage=0.8, half_width=1000.0)
    champion, challenger = (
        Model.load(model_folder(own, add_model(own, seed, label=VALUE | {"min": 500.0}, calibration=wide)))
        for seed in (0, 1)
    )
    columns = {
        "age": np.arange(0.0, 100.0),
        "blood pressure": np.full(100, 140.0),
        "ward": np.array(["north"] * 100, object),
    }
    ours, theirs = (each.packaged.predict_columns(columns) for each in (champion, challenger))
    assert ours.low.min() == 500 > theirs.answer.min()
    far, other = _differences(champion, challenger, ours, theirs)
    assert far.max() < 1000
    assert not other.any()


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


def test_a_challenger_reads_rows_as_its_own_contract_does(own) -> None:
    columns = {**COLUMNS, "age": {"type": "category", "values": ["10", "20"]}}
    more = {**columns, "smoker": {"type": "category", "values": ["False", "True"], "nullable": True}}
    champion, challenger = add_model(own), add_model(own, 1, columns=more)
    with served(own, champion) as (client, desk):
        start(own, challenger)
        eventually(lambda: desk._challenger is not None)
        said = client.post("/v1/predict", json=GOOD | {"age": 20}).json()
        summary = own.runtime / "shadow" / challenger.partition(":")[2] / "summary.json"
        eventually(summary.is_file)
    theirs = load_packaged(model_folder(own, challenger)).artefact.predict_records([GOOD | {"age": "20"}])
    found = json.loads(summary.read_text())
    assert (found["rows"], found["refused"], found["failed"]) == (1, 0, 0)
    apart = [
        abs(said["probabilities"][name] - share)
        for name, share in zip(LABEL["classes"], theirs.probabilities[0], strict=True)
    ]
    assert found["largest_difference"] == pytest.approx(max(apart))


def test_the_shadow_s_numbers_are_about_the_present_champion_alone(own) -> None:
    first, second, challenger = (add_model(own, seed) for seed in range(3))
    summary = own.runtime / "shadow" / challenger.partition(":")[2] / "summary.json"

    def found() -> tuple[str, int]:
        told = json.loads(summary.read_text()) if summary.is_file() else {"champion": "", "rows": 0}
        return told["champion"], told["rows"]

    def ask(client, rows: int) -> list[str]:
        records = [GOOD | {"age": age} for age in range(rows)]
        return [each["label"] for each in client.post("/v1/predict_many", json={"records": records}).json()["answers"]]

    with served(own, first) as (client, desk):
        start(own, challenger)
        eventually(lambda: desk._challenger is not None)
        ask(client, 30)
        eventually(lambda: found() == (first, 30))
        promote(own, second)
        eventually(lambda: desk.current.model.lineage.model == second)
        assert f"{second} is the champion now" in report(own, None)
        ours = ask(client, 20)
        eventually(lambda: found() == (second, 20))
        assert "is the champion now" not in report(own, None)
        promote(own, challenger)
        eventually(lambda: desk.current.model.lineage.model == challenger)
        theirs = ask(client, 20)
    assert found() == (second, 20)  # a model is not compared with itself
    different = sum(mine != yours for mine, yours in zip(ours, theirs, strict=True))
    assert different > 0
    told = json.loads(summary.read_text())
    assert (told["requests"], told["different"], sum(told["moves"].values())) == (1, different, different)
    assert len((summary.parent / "differences.jsonl").read_text().splitlines()) == different


def test_an_answer_of_the_champion_before_is_not_counted_when_it_comes_late(own) -> None:
    before, now, tag = (add_model(own, seed) for seed in range(3))
    models = {each: Model.load(model_folder(own, each)) for each in (before, now, tag)}
    shadow = Shadow(tag=tag, digest=models[tag].lineage.digest, started_at="2026-01-01T00:00:00+00:00")
    challenger = Challenger(own.root, shadow, models[tag], lambda: models[now].lineage)
    said = {each: models[each].artefact.predict_records([GOOD]) for each in (before, now)}
    challenger.compare([Exchange(0.0, each, models[each], said[each], 1, [GOOD]) for each in (now, before, now)])
    told = json.loads((own.runtime / "shadow" / tag.partition(":")[2] / "summary.json").read_text())
    assert (told["champion"], told["requests"], told["rows"]) == (now, 2, 2)


@pytest.mark.parametrize("text", ["", "[]", '{"tag": "a"}'])
def test_a_damaged_shadow_json_does_not_keep_the_service_from_starting(own, text, caplog) -> None:
    tag = add_model(own)
    own.runtime.mkdir()
    (own.runtime / "shadow.json").write_text(text)
    with served(own, tag) as (client, _):
        assert client.post("/v1/predict", json=GOOD).status_code == 200
    (said,) = {line for line in caplog.messages if line.startswith("shadow.json cannot be read")}
    assert "\n" not in said
