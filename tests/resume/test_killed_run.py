"""A run that is killed in the middle: the next one finishes the work, and nothing is left behind."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from left_over import about, settled

from ssgan import settings
from ssgan.errors import UserError
from ssgan.learn.artefact import Artefact
from ssgan.project import Project
from ssgan.records import Champion, Evaluation, GateDecision


@pytest.fixture(scope="module")
def finished(cancer: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy of the finished cancer project for tests that leave it as they found it."""
    return Path(shutil.copytree(cancer[0], tmp_path_factory.mktemp("finished") / "project", symlinks=True))


def test_a_run_killed_while_training_is_finished_by_the_next_one(
    cancer: tuple[Path, str], project: Path, ssgan
) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("  steps: 60 ", "  steps: 80 "))
    command = [sys.executable, "-m", "ssgan", "run", "-C", str(project)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=settings.environment()) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if line.startswith("✓ prepare"):  # so the next stage, training, is under way
                break
        run.terminate()
        said = run.stderr.read()
    assert run.returncode == 128 + signal.SIGTERM, said
    assert "Traceback" not in said
    assert settled(project, about) == []
    assert Champion.read(project / "champion.json") == Champion.read(cancer[0] / "champion.json")

    done = ssgan("run", "-C", project)
    assert done.returncode in (0, 4), done.stderr
    status = json.loads(ssgan("status", "-C", project, "--json").stdout)
    assert status["out_of_date"] == []
    judged, evaluated = (
        GateDecision.read(project / "reports/gate.json"),
        Evaluation.read(project / "reports/evaluation.json"),
    )
    assert judged.challenger == evaluated.model
    git = subprocess.run(["git", "status", "--porcelain"], cwd=project, capture_output=True, text=True, check=True)
    assert git.stdout == ""  # the changed knob is committed beside what came of it
    assert Artefact.load(project / "models" / "ssgan").digest != Artefact.load(cancer[0] / "models" / "ssgan").digest


def test_a_run_killed_before_the_pointer_was_committed_is_finished_and_the_record_of_the_promotion_stays(
    project: Path, ssgan
) -> None:
    recorded = (project / "reports" / "gate.json").read_bytes()
    assert GateDecision.read(project / "reports" / "gate.json").decision == "promote"
    _git(project, "reset", "--quiet", "--mixed", "HEAD~1")  # the files stay: so a kill before the last commit leaves it
    assert "champion.json" in _git(project, "status", "--porcelain")
    done = ssgan("run", "-C", project)
    assert done.returncode == 0, done.stderr
    assert _git(project, "status", "--porcelain") == ""
    tag = Champion.read(project / "champion.json").tag
    assert _git(project, "log", "-1", "--format=%s") == f"Promote {tag}\n"
    assert (project / "reports" / "gate.json").read_bytes() == recorded
    packaged = ssgan("package", "-C", project)
    assert (packaged.returncode, packaged.stdout) == (0, f"{tag}\n"), packaged.stderr


def test_a_run_whose_push_failed_has_something_to_do(prefect_api: str, project: Path) -> None:
    from prefect import flow

    from flows.retrain import keep
    from flows.standing import nothing_to_do

    keeping = flow(name="keep")(lambda: keep(str(project), "Train"))
    place = Project(project)
    assert nothing_to_do(place)
    remote = place.runtime / "remote"
    (place.runtime / "pushed").unlink()
    remote.rename(place.runtime / "away")
    remote.touch()  # no directory, so that nothing can be pushed there
    with pytest.raises(UserError, match="remote does not answer"):
        keeping()
    assert not nothing_to_do(place)
    remote.unlink()
    (place.runtime / "away").rename(remote)
    keeping()
    assert nothing_to_do(place)


@pytest.mark.parametrize("changed", ["params.yaml", "reports/report.html", "champion.json", ".dvc/config", "dvc.lock"])
def test_what_is_not_committed_or_goes_elsewhere_is_something_to_do(
    finished: Path, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import standing

    monkeypatch.setattr(standing, "out_of_date", lambda project: [])  # which asks about stages alone, for a second
    assert standing.nothing_to_do(Project(finished))
    before = (finished / changed).read_bytes()
    (finished / changed).write_bytes(before + b"\n")
    assert not standing.nothing_to_do(Project(finished))
    (finished / changed).write_bytes(before)


ENDED_BEFORE_A_TASK = """
import os, signal
from prefect import task_engine
from ssgan.cli import main

create = task_engine._create_task_run_locally

def late(*args, **named):
    os.kill(os.getpid(), signal.SIGTERM)
    return create(*args, **named)

task_engine._create_task_run_locally = late
main()
"""


def test_a_run_ended_before_prefect_knows_its_task_says_no_fault_of_ours(project: Path) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("  steps: 60 ", "  steps: 80 "))
    command = [sys.executable, "-c", ENDED_BEFORE_A_TASK, "run", "-C", str(project)]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=settings.environment(), timeout=300)
    assert run.returncode == 128 + signal.SIGTERM, run.stderr
    assert "fault" not in run.stderr
    assert "Traceback" not in run.stderr


def _git(project: Path, *arguments: str) -> str:
    """What git says in a project."""
    return subprocess.run(["git", *arguments], cwd=project, capture_output=True, text=True, check=True).stdout
