"""The stage `train` and the artefact."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ssgan.config import set_knob
from ssgan.contract import GROUP, ROW_ID, read_contract
from ssgan.errors import ArtefactError, DataError
from ssgan.judge.calibrate import calibrate
from ssgan.learn.artefact import Artefact
from ssgan.learn.encode import Encoder
from ssgan.learn.prepare import frame_columns, prepare
from ssgan.learn.terms import REPORTED
from ssgan.learn.train import train
from ssgan.learn.training_rows import TrainingRows
from ssgan.progress import listening
from ssgan.project import Project
from ssgan.records import RunRecord, RunTimes, Split
from tests.unit import learner
from tests.unit.judged import TEMPLATES
from tests.unit.learner import fit

TOLD = "told.txt"  # what was said while a project was trained


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one accepted batch of the classes case."""
    project = Project(tmp_path_factory.mktemp("project"))
    case = learner.classes(rows=200, labelled=10)
    project.accepted.mkdir(parents=True)
    shutil.copy(TEMPLATES / "params.yaml", project.params)
    for knob in ("train.steps=60", "train.hidden=[16, 16]", "evaluate.folds=3", "evaluate.method=holdout"):
        set_knob(project.params, knob)
    project.contract.write_text(case.contract.model_dump_json())
    _frame(case).to_parquet(project.accepted / "batch.parquet")
    return project


def _frame(case: learner.Case) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = [str(number) for number in range(len(case.x))]
    label = np.array(["up", "down", None], object)[case.y]
    word = np.array(["left", "right", "far"], object)[case.x[:, 3:].argmax(axis=1)]
    gaps = np.where(rng.random(len(names)) < 0.1, np.nan, case.x[:, 1].astype(float))
    return pd.DataFrame(
        {ROW_ID: names, GROUP: names, "a": case.x[:, 0].astype(float), "b": gaps, "word": word, "y": label}
    )


@pytest.fixture(scope="module")
def trained(accepted: Project) -> Project:
    prepare(accepted)
    train(accepted)
    calibrate(accepted)
    return accepted


@pytest.fixture
def artefact(trained: Project, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(trained.model, tmp_path / "ssgan"))


def test_the_encoder_is_fitted_on_training_rows_and_never_on_test_rows(trained: Project) -> None:
    frame, test = _frame(learner.classes(200, 10)), pd.read_parquet(trained.prepared / "test.parquet")
    encoder = Encoder.from_json((trained.prepared / "encoder.json").read_text())
    train_rows = frame[~frame[ROW_ID].isin(test[ROW_ID])]
    assert set(encoder.numbers[0].knots) == set(train_rows["a"])
    assert not set(encoder.numbers[0].knots) & set(test["a"])
    stored = TrainingRows.read(trained.prepared)
    assert stored.ids.tolist() == train_rows[ROW_ID].tolist()
    assert stored.x.shape == (len(train_rows), encoder.width)
    assert (stored.y == -1).sum() == train_rows["y"].isna().sum()


def test_training_again_gives_the_same_bytes(trained: Project, tmp_path: Path) -> None:
    first = {path.name: path.read_bytes() for path in trained.model.iterdir()}
    digests = Artefact.load(trained.model).digest, Artefact.load(trained.twin).digest
    prepare(trained)
    train(trained)
    calibrate(trained)
    assert {path.name: path.read_bytes() for path in trained.model.iterdir()} == first
    assert (Artefact.load(trained.model).digest, Artefact.load(trained.twin).digest) == digests


def test_dealing_the_judged_rows_labels_anew_changes_no_byte_of_what_is_trained_or_calibrated(
    trained: Project, tmp_path: Path
) -> None:
    other = Project(Path(shutil.copytree(trained.root, tmp_path / "project")))
    batch, judged = other.accepted / "batch.parquet", set(pd.read_parquet(trained.prepared / "judged.parquet")[ROW_ID])
    frame = pd.read_parquet(batch)
    here = frame[ROW_ID].isin(judged)
    frame.loc[here, "y"] = frame.loc[here, "y"].map({"up": "down", "down": "up"})
    frame.to_parquet(batch)
    prepare(other)
    train(other)
    calibrate(other)
    assert here.sum() > 0
    assert _changed(trained.prepared, other.prepared) == {"test.parquet", "judged.parquet"}
    assert _changed(trained.root / "models", other.root / "models") == set()


def test_the_twin_that_no_fold_measures_answers_for_the_same_shares_of_classes(
    trained: Project, tmp_path: Path
) -> None:
    other = Project(Path(shutil.copytree(trained.root, tmp_path / "project")))
    set_knob(other.params, "calibrate.prior=labelled")
    calibrate(other)
    ours, theirs = (Artefact.load(folder).calibration for folder in (other.model, other.twin))
    assert theirs.rows == 0 < ours.rows
    assert len(ours.offsets) == 2
    assert theirs.offsets == ours.offsets


def test_labels_of_which_no_class_has_two_cannot_be_judged_by_crossfit(accepted: Project, tmp_path: Path) -> None:
    other = Project(Path(shutil.copytree(accepted.root, tmp_path / "project")))
    set_knob(other.params, "evaluate.method=crossfit")
    frame = _frame(learner.classes(200, 1))
    frame.to_parquet(other.accepted / "batch.parquet")
    with pytest.raises(DataError, match="some class must have 2 labelled rows; of the 2 labelled rows each"):
        prepare(other)


def _changed(first: Path, second: Path) -> set[str]:
    """Files, by their paths, that differ or that one folder lacks."""
    here, there = (
        {str(file.relative_to(at)): file.read_bytes() for file in at.rglob("*") if file.is_file()}
        for at in (first, second)
    )
    return {name for name in here.keys() | there.keys() if here.get(name) != there.get(name)}


@pytest.fixture(scope="module")
def crossfitted(accepted: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same, judged by crossfit, with a curve."""
    project = Project(Path(shutil.copytree(accepted.root, tmp_path_factory.mktemp("crossfit") / "project")))
    set_knob(project.params, "evaluate.method=crossfit")
    set_knob(project.params, "evaluate.curve=[0.5]")
    set_knob(project.params, "train.batch=256")
    prepare(project)
    told: list[str] = []
    with listening(lambda event: told.append(event.text)):
        train(project)
    (project.root / TOLD).write_text("\n".join(told))
    calibrate(project)
    return project


def test_with_crossfit_no_labelled_row_is_held_back_and_every_one_is_answered(crossfitted: Project) -> None:
    split = Split.read(crossfitted.prepared / "split.json")
    assert (split.method, split.folds, split.judged) == ("crossfit", 3, 20)
    assert pd.read_parquet(crossfitted.prepared / "test.parquet")["y"].isna().all()
    with np.load(crossfitted.folds) as folds, np.load(crossfitted.prepared / "train.npz") as prepared:
        shapes = {name: folds[name].shape for name in folds.files}
        unlabelled = np.flatnonzero(prepared["y"] == -1)
        np.testing.assert_array_equal(folds["pool_rows"], unlabelled)
        assert folds["curve_labels"].tolist() == [6]
    assert shapes["ssgan_task"] == shapes["twin_task"] == (20, 2)
    assert shapes["ssgan_realness"] == (20, 1)
    assert shapes["ssgan_pool"] == (3, len(unlabelled), 2)
    assert shapes["ssgan_curve"] == shapes["twin_curve"] == (1, 20, 2)


def test_training_tells_the_score_on_rows_that_a_model_had_not_seen(crossfitted: Project) -> None:
    with np.load(crossfitted.folds) as folds, np.load(crossfitted.prepared / "train.npz") as prepared:
        answers, labels = folds["ssgan_task"].argmax(axis=1), prepared["y"][prepared["y"] != -1]
    score = np.mean([(answers == labels)[labels == each].mean() for each in (0, 1)])
    line = (
        f"train: ssgan: balanced accuracy {score:.3g} on 20 labelled rows, each by a model that had not seen its label"
    )
    assert line in (crossfitted.root / TOLD).read_text().splitlines()


def test_a_step_may_ask_for_more_rows_than_there_are(crossfitted: Project) -> None:
    record = RunRecord.read(crossfitted.model / "run.json")
    assert record.knobs["batch"] == 256 > record.rows


def test_what_is_served_is_calibrated_by_the_folds_alone(crossfitted: Project, trained: Project) -> None:
    for project, rows in ((crossfitted, 20), (trained, len(pd.read_parquet(trained.prepared / "judged.parquet")))):
        artefact = Artefact.load(project.model)
        assert artefact.calibration.rows == (rows if project is crossfitted else 20 - rows)
        assert artefact.calibration.temperature != 1
        said = artefact.predict_encoded(learner.classes(200, 10).x)
        assert said.sets is not None
        assert 0 < artefact.calibration.fake_limit < 1
        features = [name for name in artefact.contract.features if artefact.contract.image is None]
        assert [each.column for each in artefact.calibration.ranges] == features


def test_a_group_with_a_label_is_held_back_by_no_one(accepted: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(accepted.root, tmp_path / "copy")))
    set_knob(project.params, "evaluate.method=crossfit")
    frame = _frame(learner.classes(200, 10))
    frame[GROUP] = (np.arange(200) // 10).astype(str)
    frame.to_parquet(project.accepted / "batch.parquet")
    prepare(project)
    test, judged = (pd.read_parquet(project.prepared / f"{name}.parquet") for name in ("test", "judged"))
    assert not set(test[GROUP]) & set(judged[GROUP])
    with np.load(project.prepared / "train.npz") as stored:
        groups = frame.set_index(ROW_ID)[GROUP].reindex(stored["id"])
        known = stored["fold"] >= 0
        assert pd.Series(stored["fold"][known]).groupby(groups.to_numpy()[known]).nunique().max() == 1


def test_labels_of_the_holdout_reach_nothing_that_training_and_calibration_read(
    accepted: Project, tmp_path: Path
) -> None:
    project = Project(Path(shutil.copytree(accepted.root, tmp_path / "copy")))
    prepare(project)
    files = ("x.npy", "train.npz", "encoder.json", "schema.json", "split.json")
    before = {name: (project.prepared / name).read_bytes() for name in files}
    judged = pd.read_parquet(project.prepared / "judged.parquet")
    frame = _frame(learner.classes(200, 10))
    held = frame[ROW_ID].isin(judged[ROW_ID])
    assert frame.loc[held, "y"].nunique() == 2
    frame.loc[held, "y"] = frame.loc[held, "y"].map({"up": "down", "down": "up"})
    frame.to_parquet(project.accepted / "batch.parquet")
    prepare(project)
    assert {name: (project.prepared / name).read_bytes() for name in files} == before
    after = pd.read_parquet(project.prepared / "judged.parquet")
    assert (after["y"] != judged["y"]).all()
    pd.testing.assert_frame_equal(after.drop(columns="y"), judged.drop(columns="y"))


def test_rows_in_quarantine_are_encoded_as_they_arrived(accepted: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(accepted.root, tmp_path / "copy")))
    contract = read_contract(project.contract)
    narrow = contract.columns["a"].model_copy(update={"max": 5.0})
    limited = contract.model_copy(update={"columns": {**contract.columns, "a": narrow}})
    project.contract.write_text(limited.model_dump_json())
    project.quarantine.mkdir()
    cells = {"a": ["7.5", "seven"], "b": ["0.5", None], "word": ["left", "leaft"], "y": ["up", None]}
    pd.DataFrame(cells).to_parquet(project.quarantine / "batch.parquet")
    prepare(project)
    encoder = Encoder.from_json((project.prepared / "encoder.json").read_text())
    expected = encoder.encode_records([{"a": 7.5, "b": 0.5, "word": "left"}, {"a": None, "b": None, "word": None}])
    with np.load(project.prepared / "quarantined.npz") as stored:
        np.testing.assert_array_equal(stored["x"], expected)


def test_few_labels_are_judged_by_crossfit_unless_the_user_says_otherwise(accepted: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(accepted.root, tmp_path / "copy")))
    set_knob(project.params, "evaluate.method=null")
    prepare(project)
    assert Split.read(project.prepared / "split.json").method == "crossfit"


@pytest.mark.parametrize(
    ("labelled", "rare", "method"),
    [(520, 24, "crossfit"), (520, 120, "holdout"), (5200, 24, "holdout")],
    ids=["a rare class", "no rare class", "too many labels for more trainings"],
)
def test_where_a_holdout_would_have_too_few_rows_of_the_rarest_class_crossfit_judges(
    accepted: Project, tmp_path: Path, labelled: int, rare: int, method: str
) -> None:
    frame = _frame(learner.classes(labelled + 80, 10))
    frame["y"] = np.repeat(np.array(["up", "down", None], object), [rare, labelled - rare, 80])
    found, told = _judged_by(Path(shutil.copytree(accepted.root, tmp_path / "copy")), frame)
    assert found == method
    reason = r"3 folds of them, for a holdout would have \d rows of class up, and 15 are needed for a verdict"
    assert bool(re.search(reason, told)) == (method == "crossfit")


@pytest.mark.parametrize(
    ("patients", "rare", "reason"),
    [
        (600, 300, ""),
        (12, 300, r"[1-9] groups, and 10 are needed"),
        (600, 12, r"[0-4] groups of class up, and 5 are needed"),
    ],
    ids=["enough", "few patients", "few patients of a class"],
)
def test_where_a_holdout_would_have_too_few_patients_crossfit_judges(
    accepted: Project, tmp_path: Path, patients: int, rare: int, reason: str
) -> None:
    copy = Path(shutil.copytree(accepted.root, tmp_path / "copy"))
    contract = learner.classes(10, 4).contract.model_copy(update={"group": "patient"})
    Project(copy).contract.write_text(contract.model_dump_json())
    frame = _frame(learner.classes(600, 10))
    up = np.arange(600) < 300
    of_class = np.where(up, np.arange(600) % rare, 1000 + np.arange(600) % patients)
    frame[GROUP] = of_class.astype(str) if patients == 600 else (np.arange(600) % patients).astype(str)
    frame["y"] = np.where(up, "up", "down")
    found, told = _judged_by(copy, frame)
    assert found == ("crossfit" if reason else "holdout")
    assert re.search(reason or "judged by [0-9]+ labelled test rows", told)


def _judged_by(root: Path, frame: pd.DataFrame) -> tuple[str, str]:
    """How labelled rows are judged where `evaluate.method` does not say, and what is told of it."""
    project, told = Project(root), list[str]()
    set_knob(project.params, "evaluate.method=null")
    frame.to_parquet(project.accepted / "batch.parquet")
    with listening(lambda event: told.append(event.text)):
        prepare(project)
    return Split.read(project.prepared / "split.json").method, "\n".join(told)


def test_the_artefact_holds_what_was_done(trained: Project) -> None:
    run = RunRecord.read(trained.model / "run.json")
    assert (run.fakes, run.knobs["steps"], run.knobs["gan_weight"]) == ("shuffled columns", 60, 3.0)
    assert run.parity < 1e-4
    assert RunRecord.read(trained.twin / "run.json").fakes == "none"
    history = pd.read_csv(trained.model / "history.csv")
    assert history.columns.tolist() == ["step", *REPORTED]
    assert history["step"].iloc[-1] == 60
    assert set(RunTimes.read(trained.times).steps_per_second) == {"ssgan", "twin", "ablation"}
    assert not list(trained.model.parent.glob(".*"))
    assert not (trained.runtime / "folds").exists()


def test_records_and_columns_get_the_same_answers(trained: Project) -> None:
    artefact = Artefact.load(trained.model)
    test = pd.read_parquet(trained.prepared / "test.parquet")
    columns = {"a": test["a"].to_numpy(), "b": test["b"].to_numpy(), "word": test["word"].to_numpy(object)}
    records = [{name: column[row] for name, column in columns.items()} for row in range(len(test))]
    frame, single = artefact.predict_columns(columns), artefact.predict_records(records)
    assert frame.answer.tolist() == single.answer.tolist()
    assert np.array_equal(frame.fake_probability, single.fake_probability)
    assert frame.probabilities is not None
    assert np.allclose(frame.probabilities.sum(axis=1), 1)
    assert set(frame.answer) <= {"up", "down"}
    assert ((frame.fake_probability > 0) & (frame.fake_probability < 1)).all()


def test_the_exported_graph_answers_as_keras_does_for_each_task(tmp_path: Path) -> None:
    from ssgan.learn.artefact import open_session
    from ssgan.learn.export import export

    many: dict[str, Any] = {"members": 3, "embedding": "periodic"}
    cases = (learner.classes(), {}), (learner.values(), many), (learner.images(), {}), (learner.classes(), many)
    for number, (case, knobs) in enumerate(cases):
        fitted = fit(case, steps=5, teacher_weight=0.0, **knobs)
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "encoder.json").write_text(case.encoder.to_json())
        (folder / "schema.json").write_text(case.contract.model_dump_json())
        record = RunRecord(
            task="",
            backend="",
            precision="float32",
            seed=0,
            data_hash="",
            rows=0,
            labelled=0,
            fakes="",
            knobs={},
            parity=0,
        )
        digest = export(folder, fitted.discriminator, fitted.head, case.x, record)
        session = open_session(folder / "model.onnx")
        assert [put.name for put in session.get_inputs()] == ["x"]
        for ours, theirs in zip(fitted.outputs(case.x), session.run(("task", "realness"), {"x": case.x}), strict=True):
            assert np.abs(ours - theirs).max() < 1e-4
        loaded = Artefact.load(folder)
        assert loaded.digest == digest
        apart = fitted.disagreement(case.x)
        assert np.allclose(loaded.disagreement(case.x), apart, atol=1e-4)
        assert (apart > 0).any() == bool(knobs)
        if case.contract.task == "regression":
            answer = loaded.predict_encoded(case.x).answer
            assert abs(answer.mean() - case.truth.mean()) < 3 * case.truth.std()


@pytest.mark.parametrize("name", ["model.onnx", "encoder.json", "schema.json", "probe.npz", "run.json", "history.csv"])
def test_a_damaged_artefact_is_refused_by_the_name_of_the_file(artefact: Path, name: str) -> None:
    content = bytearray((artefact / name).read_bytes())
    content[len(content) // 2] ^= 1
    (artefact / name).write_bytes(content)
    with pytest.raises(ArtefactError, match=name):
        Artefact.load(artefact)


@pytest.mark.parametrize("name", ["model.onnx", "probe.npz", "checksums.json"])
def test_an_incomplete_artefact_is_refused_by_the_name_of_the_file(artefact: Path, name: str) -> None:
    (artefact / name).unlink()
    with pytest.raises(ArtefactError, match=name):
        Artefact.load(artefact)


def test_an_artefact_that_answers_otherwise_than_at_export_is_refused(artefact: Path, trained: Project) -> None:
    from ssgan.learn.artefact import write_checksums

    shutil.copy(trained.twin / "model.onnx", artefact / "model.onnx")
    write_checksums(artefact)
    with pytest.raises(ArtefactError, match="must answer its probe rows as at export"):
        Artefact.load(artefact)


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        ([None, None], "none has a label in 'y'"),
        (["up", None], "every class needs a labelled training row; 'down' has none"),
    ],
)
def test_too_few_labels_are_named_with_what_to_do(
    accepted: Project, tmp_path: Path, labels: list[str | None], fault: str
) -> None:
    project = Project(Path(shutil.copytree(accepted.root, tmp_path / "copy")))
    frame = _frame(learner.classes(200, 10))
    frame["y"] = np.array([labels[number % 2] for number in range(len(frame))], object)
    frame.to_parquet(project.accepted / "batch.parquet")
    with pytest.raises(DataError, match=fault):
        prepare(project)


def test_no_labelled_test_row_is_an_error_that_names_the_knobs(accepted: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(accepted.root, tmp_path / "copy")))
    test = set(pd.read_parquet(accepted.prepared / "test.parquet")[ROW_ID]) if accepted.prepared.is_dir() else set()
    if not test:
        prepare(project)
        test = set(pd.read_parquet(project.prepared / "test.parquet")[ROW_ID])
    frame = _frame(learner.classes(200, 10))
    frame.loc[frame[ROW_ID].isin(test), "y"] = None
    frame.to_parquet(project.accepted / "batch.parquet")
    with pytest.raises(DataError, match=r"prepare\.test_share"):
        prepare(project)


def test_nothing_accepted_is_an_error_that_says_how_to_begin(accepted: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(accepted.root, tmp_path / "copy")))
    (project.accepted / "batch.parquet").unlink()
    with pytest.raises(DataError, match="ssgan ingest"):
        prepare(project)


def test_rows_left_in_their_file_train_the_same_model_as_rows_in_memory(trained: Project, tmp_path: Path) -> None:
    project = Project(Path(shutil.copytree(trained.root, tmp_path / "copy")))
    set_knob(project.params, "train.rows=streamed")
    set_knob(project.params, "train.tensorboard=true")
    train(project)
    assert {path.parent.name for path in project.events.glob("*/*/events*")} == {"ssgan", "twin", "ablation"}
    for name in ("model.onnx", "history.csv"):
        there, here = (each.trained / "ssgan" / name for each in (project, trained))
        assert there.read_bytes() == here.read_bytes()
    with np.load(project.folds) as streamed, np.load(trained.folds) as held:
        for name in held.files:  # folds whose rows are streamed take turns, those whose rows are held learn as one
            np.testing.assert_allclose(streamed[name], held[name], atol=1e-3)


def test_rows_that_no_training_saw_are_flagged_no_more_often_than_asked(trained: Project, tmp_path: Path) -> None:
    """Of few rows the training knows each one: a limit from these alone flags honest rows, too."""
    project = Project(Path(shutil.copytree(trained.root, tmp_path / "project")))
    place = project.prepared / "test.parquet"
    unseen = pd.read_parquet(place)
    unseen["a"] += 3  # as strange to the network as honest rows are to one that knows its own by heart
    unseen.to_parquet(place, index=False)
    contract, before = read_contract(project.contract), Artefact.load(project.model)
    fake = before.predict_encoded(before.encoder.encode_columns(frame_columns(unseen, contract))).fake_probability
    limit = calibrate(project).fake_limit
    assert (fake > before.calibration.fake_limit).mean() > 0.1
    assert np.count_nonzero(fake > limit) <= 1  # of 39
