"""`ssgan reproduce` on a small project with real git and DVC, whose one stage takes a number from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ssgan.errors import DiffersError, UserError
from ssgan.intake import version
from ssgan.intake.version.clone import clone_at, recorded
from ssgan.machine import processor
from ssgan.project import Project
from ssgan.records import RunTimes
from ssgan.ship.reproduce import reproduce

TEMPLATES = Path(__file__).parents[2]


def stage(outside: Path) -> dict[str, object]:
    """A stage that records what lies in a file that no history has."""
    code = "import json, pathlib; pathlib.Path('reports').mkdir(exist_ok=True); "
    code += f"value = float(pathlib.Path('{outside}').read_text()); "
    code += "pathlib.Path('reports/evaluation.json').write_text(json.dumps({'model': 'ab' * 32, 'score': value}))"
    return {
        "cmd": f'python -c "{code}"',
        "deps": ["data/accepted"],
        "metrics": [{"reports/evaluation.json": {"cache": False}}],
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    """A project that recorded 0.5 for data-1, and has a data-2 without results; and the file outside."""
    folder = tmp_path_factory.mktemp("made")
    outside = folder / "outside"
    outside.write_text("0.5")
    project = Project(folder / "project")
    (project.root / "data" / "accepted").mkdir(parents=True)
    shutil.copy(TEMPLATES / "params.yaml", project.params)
    shutil.copy(TEMPLATES / "data" / "contract.yaml", project.contract)
    project.stages.write_text(yaml.safe_dump({"stages": {"prepare": stage(outside)}}))
    version.init_repository(project)
    _accept(project, 1)
    version.repro(project, "prepare")
    RunTimes(device="CPU (2 cores)", seconds={}, steps_per_second={}).write(project.times)
    version.commit(project, [project.evaluation, project.root / "dvc.lock", project.times], "Train on data-1")
    _accept(project, 2)
    return project, outside


def _accept(project: Project, number: int) -> None:
    pq.write_table(pa.table({"a": [number]}), project.accepted / f"{number}.parquet")
    project.batches.mkdir(exist_ok=True)
    (project.batches / f"{number}.html").write_text("page")
    version.accept_version(project, f"Accept {number}")


def test_what_comes_out_again_is_equal_byte_for_byte(made: tuple[Project, Path]) -> None:
    project, _ = made
    before = subprocess.run(["git", "status", "--porcelain"], cwd=project.root, capture_output=True).stdout
    found = reproduce(project, "data-1")
    assert found.holds
    assert found.lines()[-1] == "1 files of models and reports: equal, byte for byte"
    assert subprocess.run(["git", "status", "--porcelain"], cwd=project.root, capture_output=True).stdout == before


def test_what_differs_is_listed_and_judged_by_the_device(made: tuple[Project, Path], tmp_path: Path) -> None:
    project, outside = made
    outside.write_text("0.51")
    try:
        found = reproduce(project, "data-1", into=tmp_path / "kept")
    finally:
        outside.write_text("0.5")
    assert json.loads((tmp_path / "kept" / "clone" / "reports" / "evaluation.json").read_text())["score"] == 0.51
    assert found.lines()[1:] == [
        "  reports/evaluation.json: by up to 0.01 (score)",
        "0 files are equal, 1 differ",
        f"recorded on CPU (2 cores), {processor()}; computed again on a device that was not recorded",
        "reproduced within the tolerance of 0.02 for another device: the metrics are apart by up to 0.01 (score)",
    ]
    assert found.holds
    farther = replace(found, apart=0.1)
    assert not farther.holds
    assert "not reproduced: beyond the tolerance" in farther.lines()[-1]
    same = replace(found, device_now=found.device_then)
    assert not same.holds
    assert "with the same ssgan on the same device every byte should be equal" in same.lines()[-1]


def test_what_does_not_come_out_again_has_an_exit_code_of_its_own(made: tuple[Project, Path], ssgan_here) -> None:
    project, outside = made
    outside.write_text("0.9")
    try:
        code, said = ssgan_here("reproduce", "-C", project.root, "data-1")
    finally:
        outside.write_text("0.5")
    assert code == 5
    assert said.strip().splitlines()[-1].startswith("ssgan: not reproduced: beyond the tolerance of 0.02")


def test_a_folder_for_the_clone_that_cannot_be_made_is_refused(made: tuple[Project, Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for into, why in ((tmp_path, "is there already"), (tmp_path / "file" / "kept", "cannot be made")):
        with pytest.raises(UserError, match=f"^{into} {why}.*name a folder that does not exist yet"):
            reproduce(made[0], "data-2", into=into)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_data_without_a_training_are_checked_by_themselves(made: tuple[Project, Path]) -> None:
    found = reproduce(made[0], "data-2")
    assert found.lines()[0].endswith("no model was trained on it; its 2 data files: equal, byte for byte")


def test_a_model_is_found_by_its_digest_and_its_tag(made: tuple[Project, Path]) -> None:
    commits = {recorded(made[0], name).commit for name in ("ab" * 32, "ababab", f"ssgan-toy:{'ab' * 6}", "data-1")}
    assert len(commits) == 1


@pytest.mark.parametrize("name", ["data-9", "latest", "ssgan-toy:ffffffffffff", "ffffff", "abab", "--all", ""])
def test_an_unknown_version_is_refused_with_the_known_ones(made: tuple[Project, Path], name: str) -> None:
    with pytest.raises(UserError, match="data-1, data-2"):
        reproduce(made[0], name)


def test_a_remote_in_a_directory_beside_the_project_is_found_from_the_clone(
    made: tuple[Project, Path], tmp_path: Path
) -> None:
    project = Project(shutil.copytree(made[0].root, tmp_path / "project", symlinks=True))
    version.run_dvc(project, "remote", "add", "--default", "shared", "../store")
    assert "url = ../../store" in (project.root / ".dvc" / "config").read_text()
    version.commit(project, [project.root / ".dvc" / "config"], "Share the store")
    _accept(project, 3)
    assert any((tmp_path / "store").rglob("*.dir"))
    assert reproduce(project, "data-3").data_files == 3


def test_a_clone_looks_for_each_remote_where_it_lies_now(made: tuple[Project, Path], tmp_path: Path) -> None:
    project = Project(shutil.copytree(made[0].root, tmp_path / "project", symlinks=True))
    config, local = (project.root / ".dvc" / name for name in ("config", "config.local"))
    before = config.read_text()
    remotes = {
        "near": "../../near",
        "far": "s3://bucket/data",
        "whole": "/whole",
        "moved": "../../was",
        "quoted": "'../a,b'",
    }
    config.write_text(before + "".join(f"['remote \"{name}\"']\n    url = {url}\n" for name, url in remotes.items()))
    version.commit(project, [config], "Name the remotes")
    config.write_text(config.read_text().replace("../../was", "../../is"))
    local.write_text(local.read_text() + "['remote \"far\"']\n    secret_access_key = a%b\n")
    clone = clone_at(project, "HEAD", tmp_path / "deeper" / "clone")
    found = dict(line.split()[:2] for line in version.run_dvc(clone, "remote", "list"))
    store = f"{project.runtime / 'remote'}"
    assert found == {
        "store": store,
        "near": f"{tmp_path / 'near'}",
        "far": "s3://bucket/data",
        "whole": "/whole",
        "moved": f"{tmp_path / 'is'}",
        "quoted": f"{project.root / 'a,b'}",
    }
    assert "secret_access_key = a%b" in (clone.root / ".dvc" / "config.local").read_text()
    assert version.run_dvc(clone, "config", "core.remote") == ["store"]


def test_damaged_content_at_the_remote_is_found(made: tuple[Project, Path], tmp_path: Path) -> None:
    copy = Project(tmp_path / "project")
    shutil.copytree(made[0].root, copy.root, symlinks=True)
    for path in (copy.runtime / "remote").rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"PAR1"):
            path.chmod(0o644)
            path.write_bytes(path.read_bytes() + b"x")
    told = r"^data-2: data/accepted/1\.parquet is not the file that was recorded, nor are 1 others; mend the DVC remote"
    with pytest.raises(DiffersError, match=told):
        reproduce(copy, "data-2")
