"""Flows as Prefect runs them: from a schedule, and by themselves."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd

from ssgan import settings
from ssgan.config import set_knob


def test_a_scheduled_run_takes_in_what_waits_and_retrains(prefect_api: str, project: Path) -> None:
    waiting = pd.read_csv(project / "data" / "incoming" / "1-good.csv", dtype={"diagnosis": object}).head(150)
    waiting.assign(record_id=[f"N{row}" for row in range(150)]).to_csv(
        project / "data" / "incoming" / "4-next.csv", index=False
    )
    for knob in ("train.steps=20", "train.teacher_weight=0.0", "evaluate.folds=2", "baselines.trees=5"):
        set_knob(project / "params.yaml", knob)  # that it is trained is the claim, not how well
    command = [sys.executable, "-m", "ssgan", "schedule", "-C", str(project), "--cron", "0 3 1 1 *"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings.environment()) as server:
        try:
            _wait_for_deployment(f"{prefect_api}/deployments/name/scheduled-retraining/cancer")
            from prefect.deployments import run_deployment

            run = run_deployment("scheduled-retraining/cancer", timeout=300)
            assert run.state is not None
            assert run.state.is_completed(), run.state
        finally:
            server.terminate()
            said, _ = server.communicate(timeout=60)
    assert said.startswith(f"retraining {project}")
    status = subprocess.run(
        [sys.executable, "-m", "ssgan", "status", "-C", str(project)], capture_output=True, text=True, check=True
    )
    assert "data-3" in status.stdout
    assert "4-next.csv" in status.stdout


def _wait_for_deployment(url: str, patience: int = 600) -> None:
    for _ in range(patience):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            threading.Event().wait(0.1)
    raise AssertionError("the schedule never registered its deployment")


def test_the_score_flow_answers_a_file(prefect_api: str, project: Path, tmp_path: Path) -> None:
    from flows.score import score

    out = tmp_path / "answers.parquet"
    assert score(str(project), str(project / "data" / "incoming" / "1-good.csv"), str(out)) == 280
    assert len(pd.read_parquet(out)) == 280
