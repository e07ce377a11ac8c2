"""The whole of intake on real repositories: accepted, refused, repeated, interrupted."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from begun import begun

from ssgan.contract import read_contract
from ssgan.errors import DataError, ProjectError, RejectedError
from ssgan.intake import store, version
from ssgan.intake.batch import read_batch
from ssgan.intake.ingest import accept, accepted_before, ingest, verdict_of, waiting_files
from ssgan.intake.reference import Reference
from ssgan.intake.validate import validate
from ssgan.progress import listening
from ssgan.project import Project
from ssgan.records import Verdict

CONTRACT = """
name: t
task: classification
id: id
label: {column: y, classes: [ill, well]}
columns:
  a: {type: number, min: -10, max: 10}
  c: {type: category, values: [u, v]}
rules: {labelled_at_least: 4}
"""


def frame(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(rows) < 0.3, rng.choice(["ill", "well"], rows), None)
    columns = {"a": rng.normal(shift, 1, rows), "c": rng.choice(["u", "v"], rows), "y": labels}
    return pd.DataFrame({"id": [f"{seed}-{row}" for row in range(rows)], **columns})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with one accepted batch, and files that wait."""
    project = begun(tmp_path_factory.mktemp("ingest") / "project", CONTRACT)
    defects = frame(100, 2)
    defects.loc[4, "a"] = 99.0
    frame(200, 1).to_csv(project.incoming / "1-good.csv", index=False)
    defects.to_csv(project.incoming / "2-defects.csv", index=False)
    frame(100, 3, shift=1.0).to_parquet(project.incoming / "3-shifted.parquet", index=False)
    ingest(project, project.incoming / "1-good.csv")
    return project


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def no_time(seconds):
    """In which nothing is written."""


def git(project, *args):
    done = subprocess.run(["git", *args], cwd=project.root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def files_of(project):
    """Every file but those of git and DVC, with its content."""
    names = {path.relative_to(project.root) for path in project.root.rglob("*") if path.is_file()}
    return {name: (project.root / name).read_bytes() for name in names if name.parts[0] not in (".git", ".dvc")}


def test_an_accepted_batch_is_a_version(project):
    current = version.current_version(project)
    verdict = verdict_of(project, project.incoming / "1-good.csv")
    assert (current.name, current.rows, current.batches) == ("data-1", 200, (verdict.manifest.batch,))
    assert current.labelled == verdict.labelled == verdict.manifest.labelled
    assert current.git_commit == version.head(project) == git(project, "rev-parse", "data-1")
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "show", "--name-only", "--format=").split() == [
        "data/accepted.dvc",
        f"data/batches/{verdict.manifest.batch}.html",
        f"data/batches/{verdict.manifest.batch}.json",
    ]
    assert pq.read_table(project.root / verdict.accepted_file).num_rows == 200
    assert [path.name for path in waiting_files(project, no_time)] == ["2-defects.csv", "3-shifted.parquet"]


def test_a_rejected_batch_leaves_its_reasons_and_nothing_else(project):
    file = project.incoming / "3-shifted.parquet"
    before = version.current_version(project)
    with pytest.raises(RejectedError, match=r"1 of 2 columns drifted.*: mend the file, or the contract") as caught:
        ingest(project, file)
    assert version.current_version(project) == before
    assert len(list(project.accepted.iterdir())) == 1
    verdict = verdict_of(project, file)
    assert verdict.decision == "reject"
    assert f"; {project.batches / verdict.manifest.batch}.html shows it all: " in str(caught.value)
    assert not accepted_before(project, file)
    assert git(project, "show", "--name-only", "--format=").split() == [
        f"data/batches/{verdict.manifest.batch}.html",
        f"data/batches/{verdict.manifest.batch}.json",
    ]
    assert git(project, "status", "--porcelain") == ""
    head = version.head(project)
    with pytest.raises(RejectedError):
        ingest(project, file)
    assert version.head(project) == head
    assert [path.name for path in waiting_files(project, no_time)] == ["2-defects.csv"]


def arriving(incoming, kind):
    """The path of a batch, and what a copying program still has to write of it."""
    if kind == "table":
        path = incoming / "9-late.csv"
        path.write_text("id,a,c,y\n1,2,u,ill\n")
        return path, [lambda: path.write_text("id,a,c,y\n1,2,u,ill\n2,2,v,well\n")]
    if kind == "folder":
        path = incoming / "9-images"
        path.mkdir()
        (path / "index.csv").write_text("file,y\n0.png,ill\n1.png,well\n")
        return path, [lambda name=name: (path / name).write_bytes(b"an image") for name in ("0.png", "1.png")]
    path = incoming / "9-images-idx3-ubyte"
    path.write_bytes(b"half")
    labels = incoming / "9-labels-idx1-ubyte"
    return path, [lambda: path.write_bytes(b"both halves"), lambda: labels.write_bytes(b"labels")]


@pytest.mark.parametrize("kind", ["table", "folder", "idx"])
def test_a_batch_that_is_still_being_copied_waits_until_it_has_arrived_whole(project, kind):
    path, writes = arriving(project.incoming, kind)
    still = len(writes)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if writes:
            writes.pop(0)()

    assert [each.name for each in waiting_files(project, pause)][-1] == path.name
    assert (writes, len(pauses)) == ([], still + 1)


def test_a_batch_that_never_comes_to_rest_is_left_for_the_next_time_and_the_others_are_not(project):
    growing = project.incoming / "9-growing.csv"
    growing.write_text("id,a,c,y\n")

    def pause(seconds):
        with growing.open("a") as handle:
            handle.write("1,2,u,ill\n")

    told = []
    with listening(lambda event: told.append(event.text)):
        assert [path.name for path in waiting_files(project, pause)] == ["2-defects.csv", "3-shifted.parquet"]
    assert told == ["9-growing.csv is still being written; it is left for the next time"]


def test_hidden_files_of_a_copying_program_or_a_desktop_are_no_batches(project):
    shutil.copy(project.incoming / "2-defects.csv", project.incoming / "._2-defects.csv")
    assert [path.name for path in waiting_files(project, no_time)] == ["2-defects.csv", "3-shifted.parquet"]


def test_a_file_that_changes_while_it_is_judged_is_not_taken_in(project):
    file = project.incoming / "2-defects.csv"
    before = {name: content for name, content in files_of(project).items() if name.name != file.name}

    def write_more(event):
        if event.text.endswith("judging it by the contract"):
            with file.open("a") as handle:
                handle.write("late,1,u,ill\n")

    with listening(write_more), pytest.raises(DataError, match="must not change while it is taken in, and it has"):
        ingest(project, file)
    assert {name: content for name, content in files_of(project).items() if name.name != file.name} == before
    assert git(project, "status", "--porcelain") == ""
    assert ingest(project, file).rows_accepted == 100


def test_a_file_that_changes_between_its_verdict_and_its_acceptance_is_not_taken_in(project):
    file = project.incoming / "2-defects.csv"
    contract = read_contract(project.contract)
    batch = read_batch(file, contract)
    judged = validate(batch, contract, Reference())
    file.write_text(file.read_text() + "late,1,u,ill\n")
    before = files_of(project)
    with pytest.raises(DataError, match="must not change while it is taken in"):
        accept(project, judged, number=2)
    assert files_of(project) == before


def test_the_same_content_is_not_counted_twice(project, tmp_path):
    copy = tmp_path / "another-name.csv"
    shutil.copy(project.incoming / "1-good.csv", copy)
    before = files_of(project)
    assert ingest(project, copy) == verdict_of(project, project.incoming / "1-good.csv")
    assert files_of(project) == before


@pytest.mark.parametrize(
    "content", [b"", b"id,a,c,y\n", b"id,a,c\n1,2,u\n", b"id,a,c,y\n1,2\n", b"id,a,c,y\n1,\xff,u,\n"]
)
def test_a_file_that_is_no_batch_leaves_everything_as_it_was(project, tmp_path, content):
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    before = files_of(project)
    with pytest.raises(DataError):
        ingest(project, file)
    with pytest.raises(DataError):
        verdict_of(project, file)
    assert files_of(project) == before
    assert git(project, "status", "--porcelain") == ""


def test_an_interrupted_intake_is_finished_by_the_next_one(project):
    file = project.incoming / "2-defects.csv"
    stray = project.accepted / "0123456789ab.parquet"
    shutil.copy(next(project.accepted.iterdir()), stray)
    verdict = ingest(project, file)
    assert not stray.exists()
    assert (verdict.rows_accepted, verdict.rows_refused) == (99, 1)
    assert pq.read_table(project.root / verdict.quarantine_file)["_row"].to_pylist() == [5]
    made = version.current_version(project)
    assert (made.name, made.rows) == ("data-2", 299)

    # As if it had ended after writing the verdict: no commit, no tag.
    git(project, "tag", "--delete", "data-2")
    git(project, "reset", "--quiet", "HEAD~1")
    assert ingest(project, file) == verdict
    finished = version.current_version(project)
    assert finished.model_copy(update={"git_commit": made.git_commit}) == made
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "log", "--format=%s").splitlines()[0] == f"Accept batch {verdict.manifest.batch}"


def test_a_clone_gets_the_same_bytes_from_the_remote_and_takes_in_nothing_before(made, tmp_path):
    git(made, "clone", "--quiet", str(made.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    with pytest.raises(ProjectError, match="dvc pull"):
        ingest(clone, made.incoming / "2-defects.csv")
    version.run_dvc(clone, "pull", "--quiet")
    (name,) = (path.name for path in made.accepted.iterdir())
    assert (clone.accepted / name).read_bytes() == (made.accepted / name).read_bytes()
    assert version.current_version(clone) == version.current_version(made)


def test_the_same_rows_give_the_same_bytes(project, tmp_path):
    verdict = verdict_of(project, project.incoming / "1-good.csv")
    again = tmp_path / "again.parquet"
    store.write_table(project, pq.read_table(project.root / verdict.accepted_file), again)
    assert again.read_bytes() == (project.root / verdict.accepted_file).read_bytes()


def test_a_verdict_survives_its_file(project):
    verdict = verdict_of(project, project.incoming / "1-good.csv")
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
