"""The main job from beginning to end, with real Great Expectations, DVC, git, Prefect, BentoML, and a tiny budget."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ssgan import settings
from ssgan.intake.version import repro
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateDecision, RunRecord, Verdict

EXAMPLES = ("cancer", "diabetes", "digits")


def verdicts(project: Path) -> dict[str, Verdict]:
    found = [Verdict.read(path) for path in (project / "data" / "batches").glob("*.json")]
    return {verdict.manifest.source.split(".")[0]: verdict for verdict in found}


def tool(*command: str, where: Path) -> str:
    done = subprocess.run(command, cwd=where, env=settings.environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> str:
    """The name of each example."""
    return request.param


@pytest.fixture
def finished(example: str, request: pytest.FixtureRequest) -> tuple[Path, str]:
    """Each of the three finished demos."""
    return request.getfixturevalue(example)


def test_the_good_batch_is_accepted_whole(finished: tuple[Path, str]) -> None:
    verdict = verdicts(finished[0])["1-good"]
    assert (verdict.decision, verdict.rows_refused) == ("accept", 0)


def test_the_bad_rows_of_the_second_batch_go_to_quarantine_with_reasons(finished: tuple[Path, str]) -> None:
    verdict = verdicts(finished[0])["2-defects"]
    assert verdict.decision == "accept with quarantine"
    assert verdict.rows_refused == 6  # four single faults, and both copies of the duplicated id
    quarantine = pd.read_parquet(finished[0] / str(verdict.quarantine_file))
    assert len(quarantine) == 6
    assert quarantine["_reasons"].str.len().min() > 0
    assert {fault.row for fault in verdict.refused} == set(quarantine["_row"])


def test_the_shifted_batch_is_rejected_with_columns_and_distances(finished: tuple[Path, str]) -> None:
    verdict = verdicts(finished[0])["3-shifted"]
    assert verdict.decision == "reject"
    assert verdict.rows_accepted == 0
    drifted = [column for column in verdict.drift if column.drifted]
    assert drifted
    assert all(column.distance > column.limit for column in drifted)
    assert drifted[0].column in finished[1]


def test_only_accepted_rows_are_in_the_data_set(finished: tuple[Path, str]) -> None:
    project, _ = finished
    rows = sum(len(pd.read_parquet(path)) for path in (project / "data" / "accepted").glob("*.parquet"))
    assert rows == sum(verdict.rows_accepted for verdict in verdicts(project).values())


def test_git_and_dvc_are_clean_afterwards(finished: tuple[Path, str]) -> None:
    project, _ = finished
    assert tool("git", "status", "--porcelain", where=project) == ""
    assert json.loads(tool("dvc", "status", "--json", where=project)) == {}
    assert "data-1" in tool("git", "tag", where=project)
    assert json.loads(tool("dvc", "status", "--cloud", "--json", where=project)) == {}


def test_the_champion_is_the_model_that_was_trained_and_its_lineage_is_whole(finished: tuple[Path, str]) -> None:
    project, _ = finished
    champion = Champion.read(project / "champion.json")
    trained = Artefact.load(project / "models" / "ssgan")
    assert champion.digest == trained.digest
    assert champion.lineage.data_hash == RunRecord.read(trained.folder / "run.json").data_hash
    commits = tool("git", "log", "--format=%H", where=project).split()
    assert champion.lineage.git_commit in commits
    assert GateDecision.read(project / "reports" / "gate.json").decision == "promote"


def test_the_evaluation_shows_every_baseline_beside_the_model(finished: tuple[Path, str]) -> None:
    evaluation = Evaluation.read(finished[0] / "reports" / "evaluation.json")
    names = {score.name for score in evaluation.scores}
    assert len(names) == len(evaluation.scores) >= 6
    assert len(evaluation.differences) == len(evaluation.scores) - 1


def test_the_demo_prints_answers_of_the_service_with_lineage(finished: tuple[Path, str]) -> None:
    project, printed = finished
    assert "What the service answered" in printed
    assert Champion.read(project / "champion.json").tag in printed
    assert "P(fake)" in printed


def test_the_report_loads_nothing_from_a_network(finished: tuple[Path, str]) -> None:
    html = (finished[0] / "reports" / "report.html").read_text(encoding="utf-8")
    assert 'src="http' not in html
    assert "<script src" not in html
    assert "<link" not in html


def test_a_clean_clone_computes_the_same_bytes_again(cancer: tuple[Path, str], ssgan) -> None:
    done = ssgan("reproduce", "-C", cancer[0], "data-2", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "files of models and reports: equal, byte for byte" in done.stdout
    assert tool("git", "status", "--porcelain", where=cancer[0]) == ""


def test_a_negative_of_a_digit_is_unlike_the_training_data_and_its_light_is_named(digits: tuple[Path, str]) -> None:
    project = Project(digits[0])
    artefact, x = Artefact.load(project.model), np.load(project.prepared / "x.npy")
    usual, strange = artefact.predict_encoded(x), artefact.predict_encoded(-x)
    assert usual.unlike.mean() <= 0.01
    assert strange.unlike.all()
    assert strange.outside[:, artefact.ranges.names.index("brightness")].all()


@pytest.mark.parametrize("name", ["diabetes", "digits"])
def test_values_and_images_judged_again_give_the_same_bytes(name: str, request, tmp_path: Path) -> None:
    copy = tmp_path / name
    shutil.copytree(request.getfixturevalue(name)[0], copy, symlinks=True)
    repro(Project(copy), "evaluate", force=True)
    assert tool("git", "status", "--porcelain", where=copy) == ""  # dvc.lock among them, which knows the other outputs


def test_a_version_without_a_model_is_reproduced_as_data(cancer: tuple[Path, str], ssgan) -> None:
    done = ssgan("reproduce", "-C", cancer[0], "data-1")
    assert "no model was trained on it; its 1 data files: equal, byte for byte" in done.stdout


def test_a_run_with_nothing_new_changes_nothing(project: Path, ssgan) -> None:
    before = (project / "champion.json").read_bytes(), tool("git", "rev-parse", "HEAD", where=project)
    done = ssgan("run", "-C", project, project / "data" / "incoming" / "1-good.csv")
    assert done.returncode == 0, done.stderr
    assert ((project / "champion.json").read_bytes(), tool("git", "rev-parse", "HEAD", where=project)) == before


def test_score_gives_the_same_answers_as_the_artefact(project: Path, tmp_path: Path, ssgan) -> None:
    file, out = project / "data" / "incoming" / "1-good.csv", tmp_path / "answers.parquet"
    done = ssgan("score", "-C", project, file, "-o", out)
    assert done.returncode == 0, done.stderr
    champion = Champion.read(project / "champion.json")
    artefact, rows = Artefact.load(project / champion.model), pd.read_csv(file, dtype=str)
    numbers = rows[list(artefact.contract.features)].astype(float)
    expected = artefact.predict_columns(frame_columns(numbers, artefact.contract))
    answers = pd.read_parquet(out)
    assert answers["record_id"].tolist() == rows["record_id"].tolist()
    assert answers["label"].tolist() == expected.answer.tolist()
    probabilities = answers[[f"probability_{name}" for name in artefact.contract.classes]]
    assert np.array_equal(probabilities.to_numpy(), expected.probabilities)
    assert np.array_equal(answers["fake_probability"], expected.fake_probability)
    assert np.array_equal(answers["unlike_training_data"], expected.unlike)
    assert set(answers["model"]) == {champion.tag}


def test_rollback_without_a_predecessor_says_so(project: Path, ssgan) -> None:
    done = ssgan("rollback", "-C", project)
    assert done.returncode == 2
    assert "nothing to roll back to" in done.stderr


def test_status_tells_a_program_where_the_project_stands(project: Path, ssgan) -> None:
    done = ssgan("status", "-C", project, "--json")
    found = json.loads(done.stdout)
    assert found["out_of_date"] == []
    assert found["data"]["name"] == "data-2"
    assert found["champion"]["tag"].startswith("ssgan-cancer:")
