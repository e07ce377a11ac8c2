"""The pointer to the model in service, and its history."""

from __future__ import annotations

import json
import shlex
import threading
from pathlib import Path
from typing import Literal

import pytest

from ssgan.errors import ProjectError, UserError
from ssgan.project import Project
from ssgan.records import GateDecision, Lineage
from ssgan.ship.champion import changed_by_hand, model_folder, promote, read_champion, require_champion, rollback


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with three packaged models, a, b and c."""
    project = Project(tmp_path)
    for letter in "abc":
        tag = f"ssgan-toy:{letter}"
        lineage = Lineage(
            model=tag, digest=letter * 64, data_version="data-1", data_hash="", git_commit="", gate="promote"
        )
        lineage.write(model_folder(project, tag) / "lineage.json")
    return project


def test_there_is_no_champion_before_the_first_promotion(project: Project) -> None:
    assert read_champion(project) is None
    with pytest.raises(ProjectError, match="no champion yet"):
        require_champion(project)


def test_where_the_gate_refused_the_model_that_is_said_and_not_that_another_run_makes_one(tmp_path: Path) -> None:
    project = Project(tmp_path / "mine, at home")
    project.reports.mkdir(parents=True)
    decided = GateDecision(decision="keep", challenger="a" * 64, champion=None, rules=(), sentence="Do not promote.")
    decided.write(project.gate)
    with pytest.raises(ProjectError, match=r"the gate refused its model: reports/gate\.json") as told:
        require_champion(project)
    assert "makes one" not in str(told.value)
    assert shlex.join(["status", "-C", str(project.root)]) in str(told.value)


def test_rollback_goes_back_step_by_step_to_the_first_champion(project: Project) -> None:
    for letter in "abc":
        promote(project, f"ssgan-toy:{letter}")
    assert rollback(project).tag == "ssgan-toy:b"
    assert rollback(project).tag == "ssgan-toy:a"
    with pytest.raises(UserError, match="nothing to roll back to"):
        rollback(project)
    assert require_champion(project).tag == "ssgan-toy:a"


def test_a_decision_is_past_when_a_person_has_changed_the_champion_since(project: Project) -> None:
    def decided(decision: Literal["promote", "keep"], challenger: str, champion: str | None) -> GateDecision:
        digest = champion and champion * 64
        return GateDecision(decision=decision, challenger=challenger * 64, champion=digest, rules=(), sentence="")

    assert not changed_by_hand(project, decided("keep", "a", None))
    promote(project, "ssgan-toy:a")
    assert not changed_by_hand(project, decided("promote", "b", "a"))  # not packaged yet
    promote(project, "ssgan-toy:b")
    assert not changed_by_hand(project, decided("promote", "b", "a"))
    assert not changed_by_hand(project, decided("keep", "c", "b"))
    rollback(project)
    assert changed_by_hand(project, decided("promote", "b", "a"))
    assert changed_by_hand(project, decided("keep", "c", "b"))
    assert not changed_by_hand(project, decided("keep", "b", "a"))  # it refuses what was rolled back


def test_promoting_the_champion_again_changes_nothing(project: Project) -> None:
    first = promote(project, "ssgan-toy:a")
    history = project.champions.read_text()
    assert promote(project, "ssgan-toy:a") == first
    assert project.champions.read_text() == history


def test_the_history_keeps_every_event_and_what_it_replaced(project: Project) -> None:
    promote(project, "ssgan-toy:a")
    promote(project, "ssgan-toy:b")
    rollback(project)
    events = [json.loads(line) for line in project.champions.read_text().splitlines()]
    assert [(each["event"], each["before"], each["champion"]["digest"]) for each in events] == [
        ("promote", None, "a" * 64),
        ("promote", "a" * 64, "b" * 64),
        ("rollback", "b" * 64, "a" * 64),
    ]


def test_an_unknown_model_is_refused_with_the_known_ones_named(project: Project) -> None:
    with pytest.raises(UserError, match="packaged here: ssgan-toy:a, ssgan-toy:b, ssgan-toy:c"):
        promote(project, "ssgan-toy:d")


def test_a_champion_that_is_not_on_this_machine_is_said_to_be_elsewhere(project: Project) -> None:
    promote(project, "ssgan-toy:a")
    folder = model_folder(project, "ssgan-toy:a")
    (folder / "lineage.json").unlink()
    folder.rmdir()
    with pytest.raises(ProjectError, match="packaged elsewhere"):
        require_champion(project)


def test_whoever_reads_the_pointer_while_it_moves_sees_one_champion_or_the_other(project: Project) -> None:
    promote(project, "ssgan-toy:a")
    promote(project, "ssgan-toy:b")
    moving = threading.Event()
    moving.set()
    seen: set[str] = set()

    def read() -> None:
        while moving.is_set():
            seen.add(require_champion(project).tag)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(50):
        rollback(project)
        promote(project, "ssgan-toy:b")
    moving.clear()
    reader.join()
    assert seen == {"ssgan-toy:a", "ssgan-toy:b"}
    assert len(project.champions.read_text().splitlines()) == 102
