"""Refused images are looked at as files, mended, and taken in again, as rows of a table are."""

from __future__ import annotations

import csv
import io
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from begun import begun
from PIL import Image

from ssgan.errors import DataError
from ssgan.intake import quarantine, store
from ssgan.intake.ingest import ingest
from ssgan.project import Project

CONTRACT = """
name: t
task: classification
label: {column: shape, classes: [disc, ring]}
columns: {scan: {type: image, height: 8, width: 8}}
files: {delimiter: ";"}
rules: {labelled_at_least: 4, refused_share_at_most: 0.5, joint_drift_auc_at_most: null}
"""
BAD = {
    13: "scan = 'wide.bmp: 8x9, grey': not a PNG of the declared size",
    14: "scan = 'inner/glass.png: 8x8, see-through': not a PNG of the declared size",
    15: "scan = 'gone.png: no image': not a PNG of the declared size",
    16: "scan = 'torn.png: no image that can be read, 7 bytes': not a PNG of the declared size",
    17: "shape = 'dics': unknown label",
}


def pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape or (8, 8), np.uint8)


def write_set(folder):
    """Twelve good images, and one for each way to be bad."""
    (folder / "inner").mkdir(parents=True)
    rows = [("file", "shape")]
    for place in range(12):
        Image.fromarray(pixels(place)).save(folder / f"{place}.png")
        rows.append((f"{place}.png", "disc" if place % 2 else "ring"))
    Image.fromarray(pixels(20, 8, 9)).save(folder / "wide.bmp")
    Image.fromarray(pixels(21, 8, 8, 4)).save(folder / "inner" / "glass.png")
    (folder / "torn.png").write_bytes(b"\x89PNG...")
    Image.fromarray(pixels(22)).save(folder / "misspelt.png")
    rows += [("wide.bmp", "disc"), ("inner/glass.png", "disc"), ("gone.png", "ring"), ("torn.png", "ring")]
    rows += [("misspelt.png", "dics")]
    (folder / "index.csv").write_text("".join(";".join(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    project = begun(tmp_path_factory.mktemp("held") / "project", CONTRACT)
    assert ingest(project, write_set(project.incoming / "march")).rows_refused == 5
    return project


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def index_of(folder):
    with (folder / "index.csv").open(newline="") as handle:
        return list(csv.DictReader(handle, delimiter=";"))


def accepted_images(project):
    tables = [pq.read_table(file) for file in store.accepted_files(project)]
    cells = [cell for table in tables for cell in table.column("scan").to_pylist()]
    return [np.asarray(Image.open(io.BytesIO(cell))).tolist() for cell in cells]


def test_each_reason_names_the_file_and_says_what_is_in_it(project):
    (held,) = quarantine.held(project)
    assert held.reasons == {"not a PNG of the declared size": 4, "unknown label": 1}
    table = pq.read_table(held.file)
    assert dict(zip(table["_row"].to_pylist(), table["_reasons"].to_pylist(), strict=True)) == BAD


def test_refused_images_are_shown_as_files_with_an_index_of_what_was_wrong(project, tmp_path):
    out = tmp_path / "repair"
    assert quarantine.write_held(project, "march", out) == 5
    rows = index_of(out)
    assert {int(row["_row"]): row["_reasons"] for row in rows} == BAD
    assert [row["file"] for row in rows] == [
        *("13-wide.png", "14-glass.png", "15-gone.png", "16-torn.png", "17-misspelt.png"),
    ]
    assert np.asarray(Image.open(out / "13-wide.png")).tolist() == pixels(20, 8, 9).tolist()
    assert (out / "16-torn.png").read_bytes() == b"\x89PNG..."
    assert not (out / "15-gone.png").exists()
    with pytest.raises(DataError, match="exists already"):
        quarantine.write_held(project, "march", out)


def test_mended_images_and_labels_are_taken_in_and_the_rest_stays_as_it_arrived(project, tmp_path):
    out = tmp_path / "repair"
    quarantine.write_held(project, "march", out)
    Image.fromarray(pixels(20)).save(out / "13-wide.png")
    Image.fromarray(pixels(23)).save(out / "15-gone.png")
    index = out / "index.csv"
    index.write_text(index.read_text().replace('"dics"', '"disc"'))
    verdict = quarantine.release(project, "march", out)
    assert verdict.sentence == "3 of 5 rows of march in quarantine are released, 2 stay there"
    assert accepted_images(project)[12:] == [pixels(seed).tolist() for seed in (20, 23, 22)]
    (left,) = quarantine.held(project)
    assert pq.read_table(left.file)["_reasons"].to_pylist() == [BAD[14], BAD[16]]


def test_images_are_released_as_they_are_when_the_contract_was_wrong(project):
    project.contract.write_text(
        CONTRACT.replace("[disc, ring]", "[disc, ring, dics]").replace("at_least: 4", "at_least: 0")
    )
    project.contract.write_text(
        project.contract.read_text().replace("rules: {", "rules: {labelled_per_class_at_least: 0, ")
    )
    assert quarantine.release(project, "march").rows_accepted == 1
    assert accepted_images(project)[12:] == [pixels(22).tolist()]


def test_what_is_no_folder_of_mended_images_is_refused(project, tmp_path):
    (tmp_path / "repair.csv").write_text("_row;shape\n17;disc\n")
    with pytest.raises(DataError, match=r"repair\.csv is no folder; name the one that `ssgan quarantine show` has"):
        quarantine.release(project, "march", tmp_path / "repair.csv")
    out = tmp_path / "repair"
    quarantine.write_held(project, "march", out)
    with pytest.raises(DataError, match="no row of march in quarantine is good yet: row 13"):
        quarantine.release(project, "march", out)
    (out / "index.csv").unlink()
    with pytest.raises(DataError, match=r"without index\.csv"):
        quarantine.release(project, "march", out)
    assert quarantine.held(project)[0].rows == 5


def test_names_of_files_cannot_lead_out_of_the_folder_that_is_shown(project, tmp_path):
    late = project.incoming / "late"
    late.mkdir()
    for place in range(3):
        Image.fromarray(pixels(30 + place)).save(late / f"{place}.png")
    rows = ["file;shape", "0.png;disc", "1.png;ring", "2.png;disc", f"{'x/' * 9}.. ;disc", f"{'long' * 40}.png;disc"]
    rows.append('"scan; of: May.png";ring')
    (late / "index.csv").write_text("\n".join(rows) + "\n")
    ingest(project, late)
    out = tmp_path / "deep" / "repair"
    quarantine.write_held(project, "late", out)
    assert [row["file"] for row in index_of(out)] == [
        "4-..",
        f"5-{('long' * 40 + '.png')[-100:]}",
        "6-scan__of__May.png",
    ]
    assert quarantine.held_by(project, "late").reasons == {"not a PNG of the declared size": 3}  # whatever a name holds
    assert [path.name for path in out.iterdir()] == ["index.csv"]
