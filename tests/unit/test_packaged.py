"""A model of the store: every byte of it is under a digest, and nothing leads out of the store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from shipped import make_shipped

from ssgan.errors import ArtefactError, UserError
from ssgan.learn.checksums import sha256_of
from ssgan.project import Project
from ssgan.records import Champion
from ssgan.ship.champion import model_folder, require_champion
from ssgan.ship.needs import pinned
from ssgan.ship.package import SERVICE_NEEDS
from ssgan.ship.packaged import folder_of, load_packaged

FILES = (
    *("model.onnx", "encoder.json", "schema.json", "calibration.json", "probe.npz", "run.json"),
    *("lineage.json", "card.md", "checksums.json", "packaged.json"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a champion, not to be changed."""
    return make_shipped(tmp_path_factory.mktemp("store") / "project")


@pytest.fixture
def project(made: Project, tmp_path: Path) -> Project:
    """A copy that a test may change."""
    shutil.copytree(made.root, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture
def folder(project: Project) -> Path:
    """Where the champion's model lies."""
    return folder_of(project.root, require_champion(project))


def test_a_whole_model_loads_with_the_pointer_s_lineage(project: Project, folder: Path) -> None:
    champion = require_champion(project)
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert load_packaged(folder, champion).lineage == champion.lineage


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_refused_in_one_sentence_that_names_the_file(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 0x01
    (folder / name).write_bytes(content)
    with pytest.raises(ArtefactError) as refused:
        load_packaged(folder)
    assert "\n" not in str(refused.value)
    assert name in str(refused.value) or name in ("checksums.json", "packaged.json")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match="missing"):
        load_packaged(folder)


def test_a_file_that_was_added_is_refused(folder: Path) -> None:
    (folder / "extra.bin").write_bytes(b"x")
    with pytest.raises(ArtefactError, match=r"extra\.bin was added"):
        load_packaged(folder)


def test_lineage_rewritten_with_its_list_is_still_not_the_pointer_s(project: Project, folder: Path) -> None:
    lineage = json.loads((folder / "lineage.json").read_text())
    (folder / "lineage.json").write_text(json.dumps(lineage | {"git_commit": "d" * 40}))
    listed = json.loads((folder / "packaged.json").read_text())
    (folder / "packaged.json").write_text(json.dumps(listed | {"lineage.json": sha256_of(folder / "lineage.json")}))
    load_packaged(folder)  # by itself it holds together
    with pytest.raises(ArtefactError, match="with its own lineage"):
        load_packaged(folder, require_champion(project))


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/hostname", "..", "sub/model.onnx", "a\\b", ""])
@pytest.mark.parametrize("file", ["checksums.json", "packaged.json"])
def test_a_list_that_leads_out_of_the_folder_is_refused(folder: Path, file: str, name: str) -> None:
    listed = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(listed | {name: "0" * 64}))
    if file == "checksums.json":
        outer = json.loads((folder / "packaged.json").read_text())
        (folder / "packaged.json").write_text(json.dumps(outer | {file: sha256_of(folder / file)}))
    with pytest.raises(ArtefactError, match="leads elsewhere"):
        load_packaged(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"model.onnx": 1}', "[" * 100_000, "\ud800"])
def test_a_list_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "checksums.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    outer = json.loads((folder / "packaged.json").read_text())
    changed = outer | {"checksums.json": sha256_of(folder / "checksums.json")}
    (folder / "packaged.json").write_text(json.dumps(changed))
    with pytest.raises(ArtefactError, match="missing or damaged"):
        load_packaged(folder)


@pytest.mark.parametrize("model", ["/tmp/elsewhere", "../other/bento/models/ssgan-toy/1", "bento/models/x/../../y"])
def test_a_pointer_that_leads_out_of_the_store_is_refused(project: Project, model: str) -> None:
    champion = require_champion(project).model_copy(update={"model": model})
    champion.write(project.champion)
    with pytest.raises(ArtefactError, match="names the folder"):
        require_champion(project)


@pytest.mark.parametrize("tag", ["../../x:1", "a:..", "a:b/c", "a", ":", "a:b:c", "/a:b", "a\0:b"])
def test_what_is_no_tag_never_becomes_a_path(project: Project, tag: str) -> None:
    with pytest.raises(UserError, match="is no tag"):
        model_folder(project, tag)
    champion = require_champion(project)
    with pytest.raises(ArtefactError, match="damaged"):
        folder_of(project.root, Champion.model_validate(champion.model_dump() | {"tag": tag}))


def test_a_bento_pins_all_that_the_service_needs_and_nothing_for_training() -> None:
    names = {line.partition("==")[0] for line in pinned(SERVICE_NEEDS)}
    assert {"bentoml", "onnxruntime", "starlette", "pydantic-core", "pyarrow"} <= names
    assert not names & {"tensorflow", "keras", "prefect", "dvc", "great-expectations", "pandas", "scikit-learn"}
