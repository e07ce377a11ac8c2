"""What to label next: which rows are asked for, and that the answers come back as late labels."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from judged import make_frame, make_project, write_model

from ssgan.config import set_knob
from ssgan.contract import REQUEST, Contract
from ssgan.errors import DataError, ProjectError, UserError
from ssgan.intake import version
from ssgan.intake.batch import read_batch
from ssgan.intake.ingest import ingest
from ssgan.judge.asking import Pool, choose, disagreement, may_be_asked, quotas, uncertainty
from ssgan.judge.labels import labels
from ssgan.judge.requests import Request, write_answers, write_requests
from ssgan.learn.artefact import write_checksums
from ssgan.learn.parts import encode_image
from ssgan.learn.prepare import prepare, read_accepted
from ssgan.project import Project
from ssgan.records import RunRecord

CONTRACT = """
name: t
task: classification
id: id
label: {column: y, classes: [red, green, blue]}
columns:
  a: {type: number, min: -20, max: 20}
  b: {type: number, min: -20, max: 20}
"""


def pool_of(features, sure=None, real=None, labelled=((0.0, 0.0),), unlike=None):
    """A pool of two classes whose first has the probability `sure`."""
    features = np.asarray(features, float)
    p = len(features)
    first = np.full(p, 0.5) if sure is None else np.asarray(sure, float)
    real = np.linspace(0.9, 1, p) if real is None else np.asarray(real, float)
    nobody = np.zeros(p, bool) if unlike is None else np.asarray(unlike)
    return Pool(np.stack([first, 1 - first], axis=1), None, features, np.asarray(labelled, float), real, nobody)


def test_of_two_crowds_the_one_without_a_label_is_asked():
    near, far = np.random.default_rng(0).normal(size=(2, 40, 2)) * 0.1
    chosen = choose(pool_of(np.concatenate([near, far + 5])), 1)
    assert chosen.rows[0] >= 40
    assert chosen.stands[0] == pytest.approx(0.5, abs=0.03)


def test_of_two_crowds_the_unsure_one_is_asked():
    left, right = np.random.default_rng(0).normal(size=(2, 40, 2)) * 0.1
    sure = np.repeat([0.99, 0.55], 40)
    assert choose(pool_of(np.concatenate([left - 5, right + 5]), sure), 1).rows[0] >= 40


def test_a_second_request_does_not_repeat_the_first():
    crowds = np.concatenate([np.random.default_rng(k).normal(size=(20, 2)) * 0.1 + 9 * k for k in (1, 2, 3)])
    assert sorted(choose(pool_of(crowds), 3).rows // 20) == [0, 1, 2]


def test_an_outlier_is_no_request_of_its_own_while_a_crowd_waits():
    crowd = np.random.default_rng(0).normal(size=(60, 2)) * 0.1 + 3
    rows = np.concatenate([crowd, [[30.0, 30.0]]])
    assert choose(pool_of(rows, real=np.full(61, 0.9)), 1).rows[0] < 60


def test_rows_that_look_fake_are_held_back():
    rows = np.random.default_rng(0).normal(size=(40, 2))
    unlike = np.arange(40) == 7
    pool = pool_of(rows, real=np.r_[0.01, 0.02, np.full(38, 0.9)], unlike=unlike)
    assert set(np.flatnonzero(~may_be_asked(pool))) == {0, 1, 7}
    assert not {0, 1, 7} & set(choose(pool, 40).rows)


def test_where_every_row_is_unlike_the_training_data_they_are_asked_all_the_same():
    pool = pool_of(np.zeros((3, 2)), unlike=np.ones(3, bool))
    assert len(choose(pool, 5).rows) == 3


def test_no_row_is_asked_twice_and_a_small_pool_gives_what_it_has():
    chosen = choose(pool_of(np.random.default_rng(0).normal(size=(30, 2))), 500, labels=[1, 50])
    assert len(chosen.rows) == len(set(chosen.rows)) == len(np.flatnonzero(may_be_asked(pool_of(np.zeros((30, 2))))))


def test_a_starved_class_gets_the_rows_that_are_most_likely_of_it():
    rows, sure = np.random.default_rng(0).normal(size=(50, 2)), np.linspace(0, 1, 50)
    chosen = choose(pool_of(rows, sure), 8, labels=[2, 30])
    assert list(chosen.rows[chosen.starved == 0]) == [49, 48, 47, 46]


@pytest.mark.parametrize(
    ("labels", "least", "count", "expected"),
    [
        ([10, 10, 10], 0, 20, {}),
        ([1, 10, 10], 0, 20, {0: 3}),  # half of the mean of 7 is 4
        ([1, 10, 10], 6, 20, {0: 5}),  # the contract wants 6
        ([0, 0, 100], 0, 20, {0: 5, 1: 5}),  # never more than half of the requests
        ([], 0, 20, {}),
    ],
)
def test_quotas_fill_up_to_half_the_mean_or_the_contract(labels, least, count, expected):
    assert quotas(labels, least, count) == expected


def test_uncertainty_agrees_with_scikit_learn_about_the_order():
    from scipy.stats import entropy

    first = np.array([0.5, 0.99, 0.7, 0.2])
    found = uncertainty(pool_of(np.zeros((4, 2)), first))
    assert list(np.argsort(found)) == list(np.argsort(entropy(np.stack([first, 1 - first]))))


def test_disagreement_is_none_where_models_agree_and_large_where_they_are_sure_of_different_things():
    same = np.tile([[0.5, 0.5], [0.9, 0.1]], (4, 1, 1))
    assert np.allclose(disagreement(same), 0)
    split = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    assert disagreement(split)[0] == pytest.approx(np.log(2))
    assert disagreement(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist() == [1.0, 0.0]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A repository with one accepted batch, prepared, and a linear model in the place of a trained one."""
    project = Project(tmp_path_factory.mktemp("labels") / "project")
    project.incoming.mkdir(parents=True)
    (project.root / "params.yaml").write_text("{}")
    project.stages.write_text("stages: {}")
    project.contract.write_text(CONTRACT)
    truth = make_frame(Contract.model_validate({"name": "t", **_plain()}), 150, 150, seed=3)
    truth = truth.rename(columns={"_id": "id"})[["id", "a", "b", "y"]]
    shown = truth.assign(y=truth["y"].where(np.arange(150) < 30, None))
    shown.to_csv(project.incoming / "first.csv", index=False)
    version.init_repository(project)
    ingest(project, project.incoming / "first.csv")
    prepare(project)
    write_model(project, project.model, good=3.0)
    return project, truth.set_index("id")["y"]


def _plain():
    number = {"type": "number"}
    return {
        "task": "classification",
        "label": {"column": "y", "classes": ["red", "green", "blue"]},
        "columns": {"a": number, "b": number},
    }


@pytest.fixture
def project(started, tmp_path):
    shutil.copytree(started[0].root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def test_a_request_has_the_row_an_empty_label_both_scores_and_the_reason(project, tmp_path):
    assert labels(project, 6, tmp_path / "requests.csv") == 6
    asked = pd.read_csv(tmp_path / "requests.csv")
    assert list(asked.columns) == ["id", "a", "b", "y", *REQUEST]
    assert asked["y"].isna().all()
    assert asked["_reason"].str.len().min() > 10
    known = read_accepted(project, _contract(project)).set_index("_id")
    assert known.loc[asked["id"], "y"].isna().all()
    assert (known.loc[asked["id"], "a"].to_numpy() == asked["a"].to_numpy()).all()


def _contract(project):
    from ssgan.contract import read_contract

    return read_contract(project.contract)


def test_requests_that_are_filled_in_come_back_as_late_labels(project, started, tmp_path):
    labels(project, 10, tmp_path / "requests.csv")
    asked = pd.read_csv(tmp_path / "requests.csv")
    asked["y"] = started[1].loc[asked["id"]].to_numpy()
    asked.to_csv(tmp_path / "answers.csv", index=False)
    verdict = ingest(project, tmp_path / "answers.csv")
    assert (verdict.decision, verdict.labels_added, verdict.rows_accepted) == ("accept", 10, 0)
    accepted = read_accepted(project, _contract(project)).set_index("_id")
    assert (accepted.loc[asked["id"], "y"].to_numpy() == asked["y"].to_numpy()).all()
    assert len(accepted) == 150
    said = rf"10 rows that might be asked for have got a label since the model learned; run `.*run -C {project.root}`"
    with pytest.raises(ProjectError, match=said):
        labels(project, 10, tmp_path / "more.csv")
    record = RunRecord.read(project.model / "run.json")
    record.model_copy(update={"data_hash": "0" * 64}).write(project.model / "run.json")
    write_checksums(project.model)
    with pytest.raises(ProjectError, match="data/prepared was made anew since the model learned"):
        labels(project, 10, tmp_path / "more.csv")


def test_what_label_studio_exports_becomes_a_batch_of_labels(project, started, tmp_path):
    labels(project, 5, tmp_path / "tasks.json", "label-studio")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["predictions"][0]["result"][0]["from_name"] for task in tasks] == ["label"] * 5
    form = (tmp_path / "tasks.xml").read_text()
    assert all(f'value="{name}"' in form for name in ("red", "green", "blue"))
    for task in tasks[:4]:
        value = {"choices": [started[1].loc[task["data"]["id"]]]}
        task["annotations"] = [{"was_cancelled": False, "result": [{"from_name": "label", "value": value}]}]
    tasks[4]["annotations"] = [{"was_cancelled": True, "result": []}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    assert write_answers(project, tmp_path / "export.json", tmp_path / "answers.csv") == 4
    found = read_back(tmp_path / "answers.csv", _contract(project)).set_index("_id")["y"]
    assert len(found) == 4
    assert (found == started[1].loc[found.index]).all()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"answers.csv cannot be written \(.+\); name another place"):
        write_answers(project, tmp_path / "export.json", tmp_path / "file" / "answers.csv")


@pytest.mark.parametrize(
    "task",
    [
        {"data": {}},
        {"data": {"id": "1"}, "annotations": [17]},
        {"data": {"id": "1"}, "annotations": [{"result": [{"value": {"choices": []}}]}]},
        {"data": {"id": "1"}, "annotations": [{"result": ["red"]}]},
        17,
    ],
)
def test_an_export_that_is_none_is_refused_in_a_sentence(project, tmp_path, task):
    (tmp_path / "export.json").write_text(json.dumps([task]))
    with pytest.raises(DataError, match="no JSON export of Label Studio"):
        write_answers(project, tmp_path / "export.json", tmp_path / "answers.csv")


ASKED = Request(id="", uncertainty=0.9, diversity=1.5, real=0.8, reason="why; so", answer="0", sure=0.4, model="d" * 64)


def read_back(path, contract):
    """The rows of a file as intake reads them."""
    return pa.concat_tables(part.rows for part in read_batch(path, contract).parts()).to_pandas()


def test_numbers_come_back_to_the_last_digit_in_the_projects_own_way_of_writing(tmp_path):
    text = {"files": {"delimiter": ";", "decimal": ",", "encoding": "latin-1"}, "id": "name"}
    contract = Contract.model_validate({"name": "t", **_plain(), **text})
    project = Project(tmp_path)
    project.accepted.mkdir(parents=True)
    accepted = make_frame(contract, 50, 0, seed=0)
    accepted.loc[3, "a"] = 1e-17
    accepted.to_parquet(project.accepted / "batch.parquet", index=False)
    asked = [replace(ASKED, id=name) for name in accepted["_id"]]
    write_requests(project, contract, asked, tmp_path / "requests.csv", "csv")
    found = read_back(tmp_path / "requests.csv", contract)
    pd.testing.assert_frame_equal(found[["_id", "a", "b"]], accepted[["_id", "a", "b"]], check_exact=True)


def test_a_letter_that_the_encoding_lacks_is_named_and_no_half_file_is_left(tmp_path):
    columns = {"a": {"type": "number"}, "unit": {"type": "category", "values": ["100 €"]}}
    text = {"columns": columns, "files": {"encoding": "latin-1"}, "id": "name"}
    contract, project = Contract.model_validate({"name": "t", **_plain(), **text}), Project(tmp_path)
    project.accepted.mkdir(parents=True)
    accepted = pd.DataFrame({"_id": ["r1"], "_group": ["r1"], "a": [1.0], "unit": ["100 €"], "y": [None]})
    accepted.to_parquet(project.accepted / "batch.parquet", index=False)
    with pytest.raises(UserError, match=r"hold '€', which files\.encoding latin-1 cannot write; set `encoding: utf-8`"):
        write_requests(project, contract, [replace(ASKED, id="r1")], tmp_path / "requests.csv", "csv")
    assert not (tmp_path / "requests.csv").exists()


def test_requests_for_images_are_a_folder_that_intake_reads(tmp_path):
    image = {"type": "image", "height": 8, "width": 8}
    label = {"column": "digit", "classes": ["0", "1"]}
    made = {"name": "d", "task": "classification", "id": "id", "label": label, "columns": {"image": image}}
    contract, project = Contract.model_validate(made), Project(tmp_path / "project")
    project.accepted.mkdir(parents=True)
    pictures = [encode_image(np.full((8, 8, 1), shade, np.uint8)) for shade in (9, 99)]
    names = ["first", "second"]
    accepted = pd.DataFrame({"_id": names, "_group": names, "image": pictures, "digit": [None, None]})
    accepted.to_parquet(project.accepted / "batch.parquet", index=False)
    asked = [replace(ASKED, id=name) for name in names]
    write_requests(project, contract, asked, tmp_path / "requests", "csv")
    found = read_back(tmp_path / "requests", contract)
    assert found["_id"].tolist() == names
    assert found["image"].tolist() == pictures
    index = tmp_path / "requests" / "index.csv"
    filled = pd.read_csv(index, dtype=str).assign(digit="1").to_csv(index=False)
    index.write_text(filled)
    with pytest.raises(UserError, match=r"index.csv is there already"):
        write_requests(project, contract, asked[::-1], tmp_path / "requests", "csv")
    assert found["image"].tolist() == read_back(tmp_path / "requests", contract)["image"].tolist()
    write_requests(project, contract, asked, tmp_path / "tasks.json", "label-studio")
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert base64.b64decode(tasks[1]["data"]["image"].removeprefix("data:image/png;base64,")) == pictures[1]
    assert '<Image name="row"' in (tmp_path / "tasks.xml").read_text()
    with pytest.raises(UserError, match="a folder, for the rows are images"):
        write_requests(project, contract, asked, tmp_path / "requests.csv", "csv")


@pytest.mark.parametrize(("name", "form"), [("requests.json", "csv"), ("requests.csv", "label-studio")])
def test_a_name_that_does_not_fit_the_format_is_refused(project, tmp_path, name, form):
    with pytest.raises(UserError, match="-o must name a file that ends in"):
        labels(project, 3, tmp_path / name, form)


def test_a_file_that_a_person_has_filled_in_is_never_overwritten(project, started, tmp_path):
    out = tmp_path / "requests.csv"
    labels(project, 6, out)
    assert labels(project, 4, out) == 4  # nobody has worked on it
    asked = pd.read_csv(out, dtype=str, keep_default_na=False)
    asked.loc[2, "y"] = started[1].loc[asked.loc[2, "id"]]
    filled, noted = asked.to_csv(index=False), asked.assign(y="", note="see letter").to_csv(index=False)
    for content in (filled, noted, "my own notes\n", ""):
        out.write_text(content)
        with pytest.raises(UserError, match=r"requests.csv is there already.+; take its labels in with `ssgan ingest`"):
            labels(project, 6, out)
        assert out.read_text() == content


def test_an_export_with_answers_is_not_overwritten_by_new_tasks(project, tmp_path):
    out = tmp_path / "tasks.json"
    labels(project, 3, out, "label-studio")
    assert labels(project, 2, out, "label-studio") == 2
    answered = json.dumps([{**task, "annotations": []} for task in json.loads(out.read_text())])
    out.write_text(answered)
    with pytest.raises(UserError, match=r"tasks.json is there already"):
        labels(project, 3, out, "label-studio")
    assert out.read_text() == answered


def test_where_every_row_has_a_label_there_is_nothing_to_ask(tmp_path):
    project = make_project(tmp_path / "project", labelled=120)
    with pytest.raises(DataError, match="every training row has a label"):
        labels(project, 3, tmp_path / "requests.csv")


def test_models_of_folds_that_disagree_raise_a_row(project):
    from ssgan.judge.labels import ask
    from ssgan.judge.prepared import read_prepared
    from ssgan.learn.artefact import Artefact

    prepared, artefact = read_prepared(project), Artefact.load(project.model)
    free = np.flatnonzero(~prepared.labelled)
    raw = np.zeros((2, len(free), 3), np.float32)
    raw[0, 4, 0] = raw[1, 4, 1] = 9.0
    project.folds.parent.mkdir(parents=True)
    np.savez(project.folds, pool_rows=free, ssgan_pool=raw)
    asked = ask(prepared, artefact, len(free), project.folds)
    at = int(np.flatnonzero(asked.places == free[4])[0])
    assert asked.choice.disagreement[at] == 1.0


def test_requests_about_values_say_what_the_model_answers(tmp_path):
    project = make_project(tmp_path / "project", classes=())
    set_knob(project.params, "baselines.trees=5")
    frame = make_frame(_contract(project), 120, 30, seed=0)
    project.accepted.mkdir(parents=True)
    frame.to_parquet(project.accepted / "batch.parquet", index=False)
    assert labels(project, 4, tmp_path / "requests.csv") == 4
    assert pd.read_csv(tmp_path / "requests.csv")["_reason"].str.contains("the model says").all()
