"""The door to DVC and git, with real repositories."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ssgan.errors import ProjectError, ToolError, UserError
from ssgan.intake import version
from ssgan.project import Project

STAGES = """
stages:
  first:
    cmd: mkdir -p out && cp in.txt out/first && echo said by first
    deps: [in.txt]
    outs: [out/first]
  second:
    cmd: cp out/first out/second
    deps: [out/first]
    outs: [{out/second: {cache: false}}]
  other:
    cmd: touch out/other
    outs: [out/other]
  mistaken:
    cmd: "echo some progress; echo 'ssgan: the knob is wrong; turn it' >&2; exit 2"
  broken:
    cmd: "echo 'ssgan: this is our fault' >&2; exit 1"
  warned:
    cmd: "echo 'mkdir: Permission denied' >&2; echo 'ssgan: the knob is wrong; turn it' >&2; exit 2"
  warned_and_broken:
    cmd: "echo 'mkdir: Permission denied' >&2; echo 'ssgan: this is our fault' >&2; exit 1"
  full:
    cmd: "echo 'ssgan: this is our fault (OSError: [Errno 28] No space left on device)' >&2; exit 1"
  killed:
    cmd: "echo 'ssgan: the knob is wrong; turn it'; kill -9 $$"
  endless:
    cmd: "echo $$ > pid; echo begun; exec sleep 600"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project fresh from `init_repository`, for a user whom git does not know."""
    root = tmp_path_factory.mktemp("version") / "project"
    (root / "data").mkdir(parents=True)
    (root / "in.txt").write_text("1")
    (root / "dvc.yaml").write_text(STAGES)
    (root / "params.yaml").write_text("{}")
    (root / "data" / "contract.yaml").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        version.init_repository(Project(root))
        yield Project(root)


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made.root, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def is_running(pid):
    """Whether a process is there and not just waiting for its parent to notice its end."""
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "\nState:\tZ" not in status.read_text()


def git(project, *args):
    done = subprocess.run(["git", *args], cwd=project.root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def accept(project, number):
    """A version of the data with one file more."""
    project.accepted.mkdir(exist_ok=True)
    pq.write_table(pa.table({"a": [number]}), project.accepted / f"{number}.parquet")
    project.batches.mkdir(exist_ok=True)
    (project.batches / f"{number}.html").write_text("page")
    return version.accept_version(project, f"Accept {number}")


def ignoring(folder, *lines):
    """The git settings of a user who has these files ignored everywhere."""
    (folder / "ignored").write_text("".join(f"{line}\n" for line in lines))
    (folder / "gitconfig").write_text(f"[core]\n    excludesFile = {folder / 'ignored'}\n")
    return str(folder / "gitconfig")


def test_a_new_repository_has_one_commit_and_needs_nothing_from_its_user(project):
    assert git(project, "log", "--format=%s by %an") == "Make the project by ssgan"
    committed = git(project, "ls-files").split()
    assert {"/bento", "/dvc_plots"} <= {*(project.root / ".gitignore").read_text().split()}
    assert {".dvc/config", ".gitignore", "dvc.yaml", "params.yaml", "data/contract.yaml"} <= {*committed}
    assert git(project, "status", "--porcelain") == "?? in.txt"
    assert "analytics = false" in (project.root / ".dvc" / "config").read_text()
    assert version.current_version(project) is None


def test_making_a_repository_again_changes_nothing(project):
    before = version.head(project)
    version.init_repository(project)
    assert version.head(project) == before


def test_a_repository_above_is_left_alone(tmp_path):
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    project = Project(tmp_path / "inner")
    project.root.mkdir()
    (project.root / "a.txt").write_text("a")
    with pytest.raises(ProjectError, match="needs a git repository of its own"):
        version.commit(project, [project.root / "a.txt"], "no")
    assert subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True).returncode != 0


def test_where_git_is_not_installed_that_is_said(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(ToolError, match="git is not installed; install it"):
        version.require_repository(project)


def test_a_repository_of_another_user_is_refused_with_what_git_wants_to_be_told(project, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as after a chown, which only root may do
    for work in (version.require_repository, version.current_version):
        with pytest.raises(UserError, match=rf"another user.*safe\.directory '?{project.root}") as caught:
            work(project)
        assert "\n" not in str(caught.value)


def test_a_damaged_repository_is_not_taken_for_none(project):
    (project.root / ".git" / "config").write_text("[core\n")
    with pytest.raises(ToolError, match="bad config line 1"):
        version.require_repository(project)


def test_named_files_are_committed_whatever_their_user_has_ignored_everywhere(project, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", ignoring(tmp_path, "*.csv"))
    figures = project.root / "figures"
    figures.mkdir()
    for path in (figures / "curve.csv", project.root / "scores.csv"):
        path.write_text("1")
    assert version.commit(project, [project.root / "scores.csv", figures], "Scores") is not None
    assert git(project, "show", "--name-only", "--format=").split() == ["figures/curve.csv", "scores.csv"]


def test_a_project_is_made_and_used_whatever_its_user_has_ignored_everywhere(made, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", ignoring(tmp_path, "data/", "*.lock", "*.dvc", "*.yaml", ".dvc*"))
    project = Project(tmp_path / "project")
    (project.root / "data").mkdir(parents=True)
    for name in ("in.txt", "dvc.yaml", "params.yaml", "data/contract.yaml"):
        shutil.copy(made.root / name, project.root / name)
    version.init_repository(project)
    assert accept(project, 1).name == "data-1"
    version.repro(project, "first")
    version.commit(project, [project.root / "dvc.lock"], "Train")
    assert {"dvc.lock", "data/accepted.dvc"} <= {*git(project, "ls-files").split()}
    assert "data/accepted/1.parquet" not in git(project, "ls-files")


def test_tags_of_the_user_are_no_versions(project):
    for name in ("data-2024-05-export", "data-12b", "data-3/x", "data-1.5"):
        git(project, "tag", name)
    assert accept(project, 1).name == "data-1"
    git(project, "commit", "--quiet", "--allow-empty", "--message", "Of the user")
    git(project, "tag", "data-9-mine")
    assert version.tags(project) == ["data-1"]
    assert version.current_version(project).name == "data-1"
    (project.root / "dvc.lock").write_text("stages: {prepare: {deps: [{path: data/accepted, md5: unknown.dir}]}}")
    assert version.trained_version(project) is None
    with pytest.raises(UserError, match="there is no version 'data-12b'"):
        version.version_named(project, "data-12b")
    shutil.rmtree(project.root / ".dvc" / "cache")
    assert {*version.content_of(project, "data-1")} == {"1.parquet"}


def test_a_commit_holds_exactly_the_named_files(project):
    (project.root / "a.txt").write_text("a")
    (project.root / "b.txt").write_text("b")
    git(project, "add", "b.txt")
    sha = version.commit(project, [project.root / "a.txt", project.root / "none.txt"], "Only a")
    assert sha == version.head(project)
    assert git(project, "show", "--name-only", "--format=").split() == ["a.txt"]
    assert version.commit(project, [project.root / "a.txt"], "Nothing new") is None
    assert version.commit(project, [], "Nothing") is None


def test_a_stage_is_computed_once_and_its_lines_are_heard(project):
    heard = []
    assert version.stages(project)[:2] == ["first", "second"]
    version.repro(project, "first", on_line=heard.append)
    assert heard == ["said by first"]
    assert (project.root / "out" / "first").read_text() == "1"
    version.repro(project, "first", on_line=heard.append)
    assert heard == ["said by first"]


def test_what_a_killed_dvc_has_left_is_no_line_of_the_next_stage(project):
    ended = subprocess.Popen(["true"])
    ended.wait()
    owner = {"pid": ended.pid, "cmd": "dvc repro first"}
    lock = project.root / ".dvc" / "tmp" / "rwlock"
    lock.parent.mkdir(exist_ok=True)
    for expected in (["said by first"], []):
        heard = []
        lock.write_text(json.dumps({"write": {str(project.root / "out" / "first"): owner}, "read": {}}))
        version.repro(project, "first", on_line=heard.append)
        assert heard == expected
        assert str(ended.pid) not in lock.read_text()


def test_what_depends_on_a_stage_out_of_date_is_out_of_date_too(project):
    (project.root / "dvc.yaml").write_text(STAGES[: STAGES.index("  mistaken:")])
    version.run_dvc(project, "repro", "--quiet")
    assert version.out_of_date(project) == []
    (project.root / "in.txt").write_text("2")
    assert version.out_of_date(project) == ["first", "second"]


def test_a_list_of_locks_that_a_kill_has_cut_short_stops_nothing(project):
    locks = project.root / ".dvc" / "tmp" / "rwlock"
    locks.parent.mkdir(exist_ok=True)
    locks.write_text('{"')
    version.repro(project, "first")
    assert (project.root / "dvc.lock").is_file()


def test_a_users_mistake_in_a_stage_stays_a_users_mistake(project):
    with pytest.raises(UserError, match=r"^the knob is wrong; turn it$"):
        version.repro(project, "mistaken")


def test_what_else_a_stage_has_said_does_not_hide_how_it_ended(project):
    with pytest.raises(UserError, match=r"^the knob is wrong; turn it$"):
        version.repro(project, "warned")
    with pytest.raises(ToolError, match="mkdir: Permission denied\nssgan: this is our fault"):
        version.repro(project, "warned_and_broken")
    with pytest.raises(ToolError, match="exited with -9"):
        version.repro(project, "killed")


def test_a_stage_that_ended_because_the_disk_is_full_says_so(project):
    with pytest.raises(UserError, match="the disk is full; free some space"):
        version.repro(project, "full")


def test_any_other_failure_of_a_stage_carries_the_last_lines(project):
    with pytest.raises(ToolError, match="this is our fault") as caught:
        version.repro(project, "broken")
    assert not isinstance(caught.value, UserError)


def test_an_interrupted_stage_leaves_no_process_behind(project):
    def interrupt(line: str) -> None:
        if line == "begun":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        version.repro(project, "endless", on_line=interrupt)
    pid = int(Path(project.root / "pid").read_text())
    assert not is_running(pid)
