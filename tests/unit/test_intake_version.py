"""The door to DVC and git, with real repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

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


def test_a_new_repository_has_one_commit_and_needs_nothing_from_its_user(project):
    assert git(project, "log", "--format=%s by %an") == "Make the project by ssgan"
    committed = git(project, "ls-files").split()
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
