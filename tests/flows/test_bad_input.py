"""What a user gets to read for bad input: one sentence, the right exit code, and nothing half-done left behind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ssgan import settings
from ssgan.config import set_knob
from ssgan.errors import DataError
from ssgan.process import free_port
from ssgan.project import Project, locked
from ssgan.run import check

LABEL = "diagnosis"


@pytest.fixture(scope="module")
def shared(cancer: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy of the finished cancer project for all cases: none of them may change its data."""
    copy = tmp_path_factory.mktemp("bad") / "project"
    shutil.copytree(cancer[0], copy, symlinks=True)
    return copy


def good_rows(project: Path) -> pd.DataFrame:
    """New rows: those of the first batch under other ids."""
    frame = pd.read_csv(project / "data" / "incoming" / "1-good.csv", dtype={LABEL: object})
    return frame.assign(record_id=[f"N{number}" for number in range(len(frame))])


def written(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path, Path], None]:
    """A file made of good rows with something wrong."""
    return lambda project, path: change(good_rows(project)).to_csv(path, index=False)


def text(content: str) -> Callable[[Path, Path], None]:
    """A file with just that in it."""
    return lambda _, path: path.write_text(content) and None


CASES: dict[str, tuple[Callable[[Path, Path], None], int, tuple[str, ...]]] = {
    "missing file": (lambda project, path: None, 2, ("there is no file",)),
    "empty file": (text(""), 2, ("is empty",)),
    "no rows": (written(lambda frame: frame.head(0)), 2, ("no data rows",)),
    "no label column": (written(lambda frame: frame.drop(columns=LABEL)), 2, ("no label column", LABEL)),
    "a column missing": (written(lambda frame: frame.drop(columns="worst_area")), 3, ("worst_area", "missing")),
    "a column extra": (written(lambda frame: frame.assign(shoe_size=42)), 3, ("shoe_size", "not in the contract")),
    "a column misspelt": (
        written(lambda frame: frame.rename(columns={"worst_area": "wurst_area"})),
        3,
        ("wurst_area", "did you mean `worst_area`"),
    ),
    "text for numbers": (written(lambda frame: frame.assign(mean_radius="wide")), 3, ("mean_radius", "wide")),
    "infinite": (written(lambda frame: frame.assign(mean_radius="inf")), 3, ("mean_radius", "infinite")),
    "not a number": (written(lambda frame: frame.assign(mean_radius="NaN")), 3, ("mean_radius", "missing")),
    "two huge cells": (
        lambda project, path: good_rows(project)
        .head(2)
        .astype(object)
        .assign(mean_radius="9" * 1_000_000)
        .to_csv(path, index=False),
        3,
        ("mean_radius", "text too long"),
    ),
    "ragged": (text("record_id,diagnosis\n1,benign,3\n"), 2, ("row 1", "3 cells")),
    "not text": (lambda _, path: path.write_bytes(b"\xff\xfe\x00" * 50) and None, 2, ("UTF-8",)),
}


def state(project: Path) -> tuple[str, str, list[str]]:
    """What must not change: the data's hash, the work tree, the files of the data set."""
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, env=settings.environment()
    )
    files = [path.name for name in ("accepted", "quarantine") for path in (project / "data" / name).iterdir()]
    return (project / "data" / "accepted.dvc").read_text(), status.stdout, sorted(files)


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_gets_one_sentence_and_leaves_nothing(case: str, shared: Path, tmp_path: Path, ssgan_here) -> None:
    make, code, words = CASES[case]
    file = tmp_path / "batch.csv"
    make(shared, file)
    before = state(shared)
    found, said = ssgan_here("ingest", "-C", shared, file)
    last = said.strip().splitlines()[-1]
    assert found == code, said
    assert "Traceback" not in said
    assert last.startswith("ssgan: ")
    assert not [word for word in words if word not in last], last
    assert state(shared) == before


def fresh(tmp_path: Path, ssgan_here, frame: pd.DataFrame) -> tuple[Path, Path]:
    """A new project with a contract drafted from a frame, and the file."""
    file = tmp_path / "first.csv"
    frame.to_csv(file, index=False)
    project = tmp_path / "fresh"
    code, said = ssgan_here("init", project, "--from", file, "--label", "level")
    assert code == 0, said
    return project, file


def few_labels(levels: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame({"age": range(20, 20 + len(levels)), "dose": [1.5 * row for row in range(len(levels))]}).assign(
        level=levels
    )


def test_a_class_without_any_label_is_named(tmp_path: Path, ssgan_here) -> None:
    project, file = fresh(tmp_path, ssgan_here, few_labels(["a", "b", "c", None] * 10))
    frame = pd.read_csv(file)
    frame["level"] = frame["level"].where(frame["level"] != "c")
    frame.to_csv(file, index=False)
    code, said = ssgan_here("ingest", "-C", project, file)
    assert code == 3, said
    assert "class `c`" in said.splitlines()[-1]
    assert not list((project / "data").glob("accepted/*"))


def test_not_a_single_label_is_a_reason_to_reject(tmp_path: Path, ssgan, ssgan_here) -> None:
    project, file = fresh(tmp_path, ssgan_here, few_labels(["a", "b", None, None] * 10))
    pd.read_csv(file).assign(level=None).to_csv(file, index=False)
    done = ssgan("run", "-C", project, file)
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert "label" in done.stderr.splitlines()[-1]


def test_an_unknown_knob_is_refused_before_any_work(project: Path, ssgan_here) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("  steps:", "  stpes:"))
    code, said = ssgan_here("run", "-C", project)
    assert code == 2
    assert said.strip() == "ssgan: params.yaml: `train.stpes` is not a key; did you mean `train.steps`?"


def test_a_run_forced_without_a_reason_is_refused(shared: Path, ssgan_here) -> None:
    code, said = ssgan_here("run", "-C", shared, "--force", "")
    assert code == 2, said
    assert "--force must give the reason" in said


def test_a_prefect_server_that_does_not_answer_is_named(project: Path, ssgan, monkeypatch) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    done = ssgan("run", "-C", project, "--force", "to have it called")
    assert done.returncode == 1
    assert f"PREFECT_API_URL is {url}, and no Prefect server answers there" in done.stderr.splitlines()[-1]
    assert "fault" not in done.stderr


def test_a_second_run_is_refused_while_one_is_running(project: Path, ssgan) -> None:
    with locked(Project(project)):
        done = ssgan("run", "-C", project)
    assert done.returncode == 2
    assert "another run" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stage_that_cannot_work_says_why_through_dvc_and_prefect(project: Path, ssgan) -> None:
    set_knob(project / "params.yaml", "prepare.test_share=0.01")
    set_knob(project / "params.yaml", "evaluate.method=holdout")
    done = ssgan("run", "-C", project)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "prepare.test_share" in done.stderr.strip().splitlines()[-1]


def test_a_run_takes_a_folder_of_images_with_an_index_and_no_other(tmp_path: Path, ssgan_here) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(folder / f"{number}.png")
    (folder / "index.csv").write_text("file,state\n0.png,ill\n1.png,well\n2.png,\n3.png,\n")
    code, said = ssgan_here("init", tmp_path / "mine", "--from", folder, "--label", "state")
    assert code == 0, said
    check(Project(tmp_path / "mine"), [folder])
    (folder / "index.csv").unlink()
    with pytest.raises(DataError, match=r"is a directory without index\.csv; name one file in it, or add"):
        check(Project(tmp_path / "mine"), [folder])
