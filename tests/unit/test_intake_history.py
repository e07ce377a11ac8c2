"""Versions of the data, quarantine, a changed contract: with real repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from begun import begun

from ssgan import settings
from ssgan.contract import read_contract
from ssgan.errors import BusyError, DataError, UserError
from ssgan.intake import history, quarantine, rejudge, store, version
from ssgan.intake.ingest import ingest, verdict_of
from ssgan.intake.wait import locked_patiently
from ssgan.progress import listening
from ssgan.project import Project

CONTRACT = """
name: t
task: classification
id: id
label: {column: y, classes: [ill, well]}
columns:
  a: {type: number, min: -10, max: 10}
  c: {type: category, values: [u, v]}
rules: {labelled_at_least: 4, joint_drift_auc_at_most: null}
"""


def frame(rows, seed):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(rows) < 0.3, rng.choice(["ill", "well"], rows), None)
    columns = {"a": rng.normal(0, 1, rows), "c": rng.choice(["u", "v"], rows), "y": labels}
    return pd.DataFrame({"id": [f"{seed}-{row}" for row in range(rows)], **columns})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two versions: 100 rows; then 97 more, three in quarantine, and four late labels of the first."""
    project = begun(tmp_path_factory.mktemp("history") / "project", CONTRACT)
    first, second = frame(100, 1), frame(100, 2)
    second.loc[4, "a"], second.loc[5, "c"], second.loc[6, "y"] = 99.0, "w", "maybe"
    late = first[first["y"].isna()].head(4).assign(y="ill")
    first.to_csv(project.incoming / "1.csv", index=False)
    pd.concat([second, late]).to_csv(project.incoming / "2.csv", index=False)
    for name in ("1.csv", "2.csv"):
        ingest(project, project.incoming / name)
    return project


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def before_the_tag(made, tmp_path_factory):
    """The same with a third version of 50 rows more, as if the power had gone just before its tag."""
    project = Project(tmp_path_factory.mktemp("third") / "project")
    shutil.copytree(made.root, project.root, symlinks=True)
    third_of(project)
    ingest(project, project.incoming / "3.csv")
    git(project, "tag", "--delete", "data-3")
    return project


@pytest.fixture
def untagged(before_the_tag, tmp_path):
    shutil.copytree(before_the_tag.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def third_of(project):
    frame(50, 3).to_csv(project.incoming / "3.csv", index=False)


def rows_of(project):
    return pd.concat([pd.read_parquet(path) for path in store.accepted_files(project)]).set_index("_id")


def git(project, *args):
    return subprocess.run(["git", *args], cwd=project.root, capture_output=True, text=True, check=True).stdout.strip()


def test_a_file_that_comes_again_is_told_how_its_quarantined_rows_go_in(project, ssgan_here):
    of_first, of_second = (
        ssgan_here("ingest", "-C", project.root, project.incoming / name) for name in ("1.csv", "2.csv")
    )
    assert f"quarantine release -C {project.root} " in of_second[1]
    assert "taken in before, nothing to do" in of_first[1]
    assert "quarantine release" not in of_first[1]


def test_the_log_names_what_came_with_each_version(made):
    second, first = history.log(made)
    assert (first.name, second.name) == ("data-1", "data-2")
    assert first.batches == ("1.csv: accept",)
    assert second.batches == ("2.csv: accept with quarantine",)
    assert (first.rows, second.rows) == (100, 197)
    assert second.labelled == {name: int((rows_of(made)["y"] == name).sum()) for name in ("ill", "well")}
    assert second.who
    assert second.when.startswith("20")


def test_the_diff_of_two_versions_counts_rows_and_labels(made):
    found = history.diff(made, "data-1", "data-2")
    assert (found.rows_added, found.rows_removed, found.rows_changed) == (97, 0, 0)
    assert (found.labels_added, found.labels_changed, found.labels_removed) == (4, 0, 0)
    assert set(found.moved) == {"a", "c"}
    back = history.diff(made, "data-2", "data-1")
    assert (back.rows_removed, back.labels_removed) == (97, 4)
    with pytest.raises(UserError, match="there is no version 'data-9' of the data; there are data-1, data-2"):
        history.diff(made, "data-1", "data-9")


def test_late_labels_rewrite_one_file_under_a_new_name(made):
    verdict = verdict_of(made, made.incoming / "2.csv")
    ((old, new),) = verdict.rewritten.items()
    assert not (made.root / old).exists()
    assert (made.root / new).is_file()
    assert verdict.labels_added == 4
    assert version.current_version(made).labelled == {
        name: int((rows_of(made)["y"] == name).sum()) for name in ("ill", "well")
    }


def test_restoring_makes_a_new_version_with_the_old_content(project):
    before = rows_of(project)
    made = history.restore(project, "data-1")
    assert (made.name, made.rows) == ("data-3", 100)
    assert len(rows_of(project)) == 100
    assert git(project, "status", "--porcelain") == ""
    assert not list(project.quarantine.glob("*.parquet"))
    with pytest.raises(UserError, match="nothing to restore"):
        history.restore(project, "data-1")
    again = ingest(project, project.incoming / "2.csv")
    assert again.labels_added == 4
    pd.testing.assert_frame_equal(rows_of(project).sort_index(), before.sort_index())
    assert [each.name for each in history.log(project)] == ["data-4", "data-3", "data-2", "data-1"]


def test_an_interrupted_return_is_finished_by_the_next_intake(project):
    store.write_text(project.runtime / history.RESTORING, "data-1")
    git(project, "rm", "--quiet", "--cached", "data/quarantine.dvc")
    third = project.incoming / "3.csv"
    frame(50, 3).to_csv(third, index=False)
    ingest(project, third)
    assert not (project.runtime / history.RESTORING).exists()
    assert len(rows_of(project)) == 150
    assert history.log(project)[0].name == "data-4"


def test_repaired_rows_leave_the_quarantine(project, tmp_path):
    (held,) = quarantine.held(project)
    assert held.rows == 3
    assert held.reasons == {"outside range": 1, "unknown value": 1, "unknown label": 1}
    out = tmp_path / "repair.csv"
    assert quarantine.write_held(project, held.batch[:6], out) == 3
    rows = pd.read_csv(out, dtype=str, keep_default_na=False)
    assert rows["_row"].tolist() == ["5", "6", "7"]
    rows.loc[0, "a"] = "1.25"
    rows.loc[2, "y"] = ""
    rows.iloc[::-1].to_csv(out, index=False)
    verdict = quarantine.release(project, "2.csv", out)
    assert (verdict.rows_accepted, verdict.released_from) == (2, held.batch)
    assert "2 of 3 rows of 2.csv in quarantine are released, 1 stay there" in verdict.sentence
    (left,) = quarantine.held(project)
    assert left.reasons == {"unknown value": 1}
    assert rows_of(project).loc["2-4", "a"] == 1.25
    assert version.current_version(project).rows == len(rows_of(project)) == 199
    assert git(project, "status", "--porcelain") == ""
    with pytest.raises(DataError, match=r"no row of 2\.csv in quarantine is good yet: row 6: unknown value"):
        quarantine.release(project, "2.csv")
    project.contract.write_text(CONTRACT.replace("[u, v]", "[u, v, w]"))
    quarantine.release(project, "2.csv")
    assert quarantine.held(project) == []
    assert len(rows_of(project)) == 200


def test_equal_rows_released_from_two_batches_are_two_batches_and_nothing_is_missed(project):
    again = pd.concat([pd.read_csv(project.incoming / "2.csv", dtype=str, keep_default_na=False), frame(50, 3)])
    again.to_csv(project.incoming / "3.csv", index=False)  # all of the second file once more: a cumulative export
    ingest(project, project.incoming / "3.csv")
    project.contract.write_text(CONTRACT.replace("[u, v]", "[u, v, w]"))
    first, second = sorted(held.batch for held in quarantine.held(project))
    released = [quarantine.release(project, each) for each in (first, second)]
    assert released[0].manifest.batch != released[1].manifest.batch
    assert rows_of(project).index.is_unique
    assert rows_of(project).loc["2-5", "c"] == "w"
    frame(50, 4).to_csv(project.incoming / "4.csv", index=False)
    assert ingest(project, project.incoming / "4.csv").rows_accepted == 50  # no file is missed


def test_quarantined_rows_are_written_as_the_contract_says_that_files_are(project, tmp_path):
    (held,) = quarantine.held(project)
    project.contract.write_text(CONTRACT + "\nfiles: {encoding: utf-16, delimiter: ';'}\n")
    quarantine.write_held(project, held.batch, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text(encoding="utf-16").splitlines()[1].count(";") > 2


def test_a_repair_names_only_rows_that_are_there(project, tmp_path):
    out = tmp_path / "repair.csv"
    quarantine.write_held(project, "2.csv", out)
    rows = pd.read_csv(out, dtype=str, keep_default_na=False)
    for wrong, words in [
        (rows.assign(_row=["5", "6", "8"]), "names row 8, which is not in quarantine"),
        (rows.assign(_row=["5", "6", "6"]), "names a row twice"),
        (rows.assign(_row=["5", "6", "x"]), "must hold the row numbers"),
        (rows.drop(columns="_row"), "has no column `_row`"),
    ]:
        wrong.to_csv(out, index=False)
        with pytest.raises(DataError, match=words):
            quarantine.release(project, "2.csv", out)
    with pytest.raises(DataError, match="no batch in quarantine is named 'x'"):
        quarantine.release(project, "x")
    assert quarantine.held(project)[0].rows == 3


def test_a_contract_diff_says_what_changed_and_what_would_not_pass(made, tmp_path):
    old = read_contract(made.contract)
    (tmp_path / "new.yaml").write_text(
        CONTRACT.replace("max: 10", "max: 1")
        .replace("[u, v]", "[v, w]")
        .replace("[ill, well]", "[ill, well, dead]")
        .replace("labelled_at_least: 4", "labelled_at_least: 9")
        .replace("rules:", "severity: {outside range: critical}\nrules:")
    )
    new = read_contract(tmp_path / "new.yaml")
    assert rejudge.changes(old, new) == [
        "label classes: 'dead' is added",
        "column `a` max: 10.0 becomes 1.0 (narrower)",
        "column `c` values: 'w' is added, 'u' is gone",
        "rules labelled_at_least: 4 becomes 9 (narrower)",
        "severity outside range: nothing becomes 'critical'",
    ]
    assert rejudge.changes(old, old) == []
    said = rejudge.no_longer_passing(made, new)
    assert len(said) == 2
    assert "of 100 accepted rows would be refused" in said[0]
    assert "outside range" in said[0] or "unknown value" in said[0]
    assert rejudge.no_longer_passing(made, old) == []
    wider = read_contract(made.contract).model_copy(update={"columns": {**old.columns, "b": old.columns["a"]}})
    assert "has no column `b`, so it would be rejected" in rejudge.no_longer_passing(made, wider)[0]


def test_an_intake_waits_for_the_one_before_it(project):
    heard = []
    done = threading.Event()
    script = (
        "import sys, time; from pathlib import Path; from ssgan.project import Project, locked\n"
        "with locked(Project(Path(sys.argv[1]))):\n    print('held', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(project.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {holder.pid}"), locked_patiently(project, 0):
            pass

        def hear(event):
            heard.append(event.text)
            if not done.is_set():
                done.set()
                holder.stdin.write("\n")
                holder.stdin.flush()

        with listening(hear), locked_patiently(project):
            assert "another run" in heard[0]
            assert "waiting for it" in heard[0]


def test_a_remote_that_cannot_be_reached_is_one_sentence_and_nothing_is_lost(project):
    config = project.root / ".dvc" / "config.local"
    before = config.read_text()
    config.write_text("['remote \"store\"']\n    url = http://127.0.0.1:9/none\n")
    third = project.incoming / "3.csv"
    frame(50, 3).to_csv(third, index=False)
    with pytest.raises(UserError, match="the DVC remote does not answer") as caught:
        ingest(project, third)
    assert "\n" not in str(caught.value)
    assert version.current_version(project).name == "data-2"
    config.write_text(before)
    verdict = ingest(project, third)
    assert verdict.rows_accepted == 50
    assert (version.current_version(project).name, version.current_version(project).rows) == ("data-3", 247)


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(project):
    third = project.incoming / "3.csv"
    frame(5000, 3).to_csv(third, index=False)
    script = (
        "import resource, signal, sys; from pathlib import Path; from ssgan import settings; settings.apply()\n"
        "from ssgan.cli import main; from ssgan.intake import expectations\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "sys.argv = ['ssgan', 'ingest', '-C', sys.argv[1], sys.argv[2]]; main()\n"
    )
    command = [sys.executable, "-c", script, str(project.root), str(third)]
    done = subprocess.run(command, capture_output=True, text=True, env=settings.environment())
    assert done.returncode == 2, done.stderr
    assert "cannot be written" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert version.current_version(project).name == "data-2"
    assert git(project, "status", "--porcelain") == ""
    assert ingest(project, third).rows_accepted == 5000


def test_locks_of_a_git_that_was_killed_do_not_stay_in_the_way(project):
    for name in ("index.lock", "HEAD.lock", "refs/heads/main.lock"):
        (project.root / ".git" / name).touch()
    third = project.incoming / "3.csv"
    frame(50, 3).to_csv(third, index=False)
    ingest(project, third)
    assert version.current_version(project).name == "data-3"


def test_a_lost_file_of_the_data_comes_back_from_the_cache(project):
    batch = verdict_of(project, project.incoming / "2.csv").manifest.batch
    (path,) = [path for path in store.accepted_files(project) if path.stem == batch]
    content = path.read_bytes()
    path.unlink()
    third = project.incoming / "3.csv"
    frame(50, 3).to_csv(third, index=False)
    ingest(project, third)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("place", "kind"), [(".dvc/cache", "list"), (".ssgan/remote", "list"), (".ssgan/remote", "file")]
)
def test_what_a_power_cut_shortened_in_the_cache_or_the_remote_is_made_again(untagged, place, kind):
    project = untagged
    files = [path for path in (project.root / place / "files" / "md5").rglob("*") if path.is_file()]
    chosen = [path for path in files if (path.suffix == ".dir") == (kind == "list")]
    newest = max(chosen, key=lambda path: path.stat().st_mtime_ns)
    newest.chmod(0o644)
    os.truncate(newest, newest.stat().st_size // 2)
    ingest(project, project.incoming / "3.csv")
    assert version.current_version(project).rows == 247
    assert "in sync" in "".join(version.run_dvc(project, "status", "--cloud"))
    shutil.rmtree(project.root / ".dvc" / "cache")
    version.run_dvc(project, "fetch")
    assert sum(len(pd.read_parquet(path)) for path in version.content_of(project, "data-3").values()) == 247


def test_a_list_at_the_remote_without_its_files_is_not_taken_for_them(untagged):
    project = untagged
    remote = project.root / ".ssgan/remote/files/md5"
    for path in [path for path in remote.rglob("*") if path.is_file() and path.suffix != ".dir"]:
        path.unlink()
    ingest(project, project.incoming / "3.csv")
    shutil.rmtree(project.root / ".dvc" / "cache")
    version.run_dvc(project, "fetch")
    assert sum(len(pd.read_parquet(path)) for path in version.content_of(project, "data-3").values()) == 247
