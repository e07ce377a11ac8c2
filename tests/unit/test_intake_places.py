"""Where an intake may not write, cannot, or is not alone: one sentence, and the last good version stays usable.

Disks are small file systems in memory, which only root may mount; without that these tests say so and are skipped.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from begun import begun

from ssgan import settings
from ssgan.errors import UserError
from ssgan.intake import store, version
from ssgan.intake.ingest import ingest
from ssgan.intake.wait import locked_patiently
from ssgan.progress import listening
from ssgan.project import Project

CONTRACT = """
name: t
task: classification
id: id
label: {column: y, classes: [ill, well]}
columns: {a: {type: number, min: -10, max: 10}}
rules: {labelled_at_least: 4, joint_drift_auc_at_most: null}
"""
# Loads everything once and forks an intake per file, all at the same time, so that they cost one start.
AT_ONCE = """
import json, os, sys
from pathlib import Path
from ssgan import settings
settings.apply()
import pandas
from ssgan.intake import expectations
from ssgan.intake.ingest import ingest
from ssgan.intake.wait import locked_patiently
from ssgan.progress import listening
from ssgan.project import Project
project, children = Project(Path(sys.argv[1])), []
for file in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        try:
            with listening(lambda event: print(event.text, flush=True)), locked_patiently(project, 300):
                ingest(project, Path(file))
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]))
"""


def frame(rows, seed):
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(rows) < 0.3, rng.choice(["ill", "well"], rows), None)
    return pd.DataFrame({"id": [f"{seed}-{row}" for row in range(rows)], "a": rng.normal(0, 1, rows), "y": labels})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One version of 100 rows."""
    project = begun(tmp_path_factory.mktemp("places") / "project", CONTRACT)
    frame(100, 1).to_csv(project.incoming / "1.csv", index=False)
    ingest(project, project.incoming / "1.csv")
    return project


def git(project, *args):
    return subprocess.run(["git", *args], cwd=project.root, capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def small_disk(made, folder, free):
    """The project on a file system of its own with so many bytes left; yields it, and what changes the mount."""
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "ssgan-test", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")

    def remount(options):
        subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True, capture_output=True)

    try:
        shutil.copytree(made.root, folder / "project", symlinks=True)
        disk = os.statvfs(folder)
        remount(f"size={(disk.f_blocks - disk.f_bfree) * disk.f_frsize + free}")
        yield Project(folder / "project"), remount
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def rows_of(project):
    return pd.concat([pd.read_parquet(path) for path in store.accepted_files(project)])


# The accepted file takes 850 kB. There is room for it, but not for DVC's copy; for both, but not for
# the remote's copy.
@pytest.mark.parametrize("free", [1_200_000, 2_100_000])
def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on_when_there_is_room(made, tmp_path, free):
    file = tmp_path / "2.csv"
    frame(60_000, 2).to_csv(file, index=False)
    with small_disk(made, tmp_path / "disk", free) as (project, remount):
        with pytest.raises(UserError, match=r"disk is full|No space left") as caught:
            ingest(project, file)
        assert "\n" not in str(caught.value)
        assert (version.current_version(project).name, version.current_version(project).rows) == ("data-1", 100)
        assert len(pd.concat(map(pd.read_parquet, version.content_of(project, "data-1").values()))) == 100
        remount("size=64m")
        ingest(project, file)
        assert version.current_version(project).rows == len(rows_of(project)) == 60_100
        assert version.tags(project) == ["data-1", "data-2"]
        assert git(project, "status", "--porcelain") == ""


def test_a_read_only_project_is_one_sentence_and_can_still_be_read(made, tmp_path):
    file = tmp_path / "2.csv"
    frame(100, 2).to_csv(file, index=False)
    with small_disk(made, tmp_path / "disk", 2**22) as (project, remount):
        remount("ro")
        with (
            pytest.raises(UserError, match=r"Read-only file system\); make it writable") as caught,
            locked_patiently(project),
        ):
            ingest(project, file)
        assert "\n" not in str(caught.value)
        with pytest.raises(UserError, match=r"[Rr]ead-only file system"):
            ingest(project, file)
        assert version.current_version(project).name == "data-1"
        assert len(rows_of(project)) == 100
        remount("rw")
        assert ingest(project, file).rows_accepted == 100


def test_intakes_at_the_same_time_wait_for_each_other_and_lose_or_double_nothing(made, tmp_path):
    project = Project(shutil.copytree(made.root, tmp_path / "project", symlinks=True))
    files = [tmp_path / f"{number}.csv" for number in (2, 3, 4)]
    for number, file in zip((2, 3, 3), files, strict=True):  # the last two have the same content
        frame(100, number).to_csv(file, index=False)
    command = [sys.executable, "-c", AT_ONCE, str(project.root), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, env=settings.environment())
    *lines, codes = done.stdout.splitlines()
    assert json.loads(codes) == [0, 0, 0], done.stdout + done.stderr[-2000:]
    assert any(line.startswith("another run (process") and line.endswith("waiting for it") for line in lines)
    assert sum("holds what was accepted before" in line for line in lines) == 1
    rows = rows_of(project)
    assert rows["_id"].is_unique
    assert {*rows["_id"]} == {f"{number}-{row}" for number in (1, 2, 3) for row in range(100)}
    assert version.tags(project) == ["data-1", "data-2", "data-3"]
    assert version.current_version(project).rows == 300
    assert git(project, "status", "--porcelain") == git(project, "rev-list", "--merges", "HEAD") == ""
    assert "{}" in version.run_dvc(project, "status", "--json")


def test_dvc_waits_for_another_dvc_that_holds_the_project(made, tmp_path):
    project = Project(shutil.copytree(made.root, tmp_path / "project", symlinks=True))
    heard = []
    (project.root / ".dvc" / "tmp").mkdir(exist_ok=True)
    with (project.root / ".dvc" / "tmp" / "lock").open("a") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)  # as DVC itself does while it works

        def hear(event):
            if "waiting for it" in event.text:
                heard.append(event.text)
                fcntl.flock(holder, fcntl.LOCK_UN)

        with listening(hear):
            version.run_dvc(project, "add", "data/accepted")
    assert heard == ["another DVC process is working on project; waiting for it"]
