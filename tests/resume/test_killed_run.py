"""A run that is killed in the middle: the next one finishes the work, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from ssgan import settings
from ssgan.learn.artefact import Artefact
from ssgan.records import Champion, Evaluation, GateDecision


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
    assert not [line for line in _processes() if str(project) in line]
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


def _processes() -> list[str]:
    """Command lines and working directories of all processes but this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if entry.name == str(os.getpid()):
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found.append(f"{words} {(entry / 'cwd').readlink()}")
        except OSError:
            continue
    return found
