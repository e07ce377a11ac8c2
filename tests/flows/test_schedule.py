"""Flows as Prefect runs them: from a schedule, and by themselves."""

from __future__ import annotations

import contextlib
import datetime
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from scheduled import NEVER, deployment_of, run_now, scheduled

from ssgan import settings
from ssgan.config import set_knob
from ssgan.errors import UserError
from ssgan.intake import version, wait
from ssgan.project import Project, locked
from ssgan.records import Verdict


def test_a_scheduled_run_takes_in_what_waits_past_what_is_refused_and_retrains(prefect_api: str, project: Path) -> None:
    incoming = project / "data" / "incoming"
    waiting = pd.read_csv(incoming / "1-good.csv", dtype={"diagnosis": object}).head(150)
    waiting = waiting.assign(record_id=[f"N{row}" for row in range(150)])
    (incoming / "4-empty.csv").write_text("")
    waiting.drop(columns="worst_area").to_csv(incoming / "5-narrow.csv", index=False)
    waiting.to_csv(incoming / "6-next.csv", index=False)
    for knob in ("train.steps=20", "train.teacher_weight=0.0", "evaluate.folds=2", "baselines.trees=5"):
        set_knob(project / "params.yaml", knob)  # that it is trained is the claim, not how well
    with scheduled(prefect_api, project) as server:
        run = run_now(project)
        assert run.state is not None
        assert run.state.is_completed(), run.state
        server.terminate()
        said, _ = server.communicate(timeout=60)
    assert server.returncode == 128 + signal.SIGTERM
    from flows.deployments import local_zone, next_run

    zone = local_zone()
    due = f"{next_run(NEVER, zone):%Y}-01-01 at 03:00"
    assert said.startswith(f"retraining {project} on '{NEVER}', by the clock of {zone}: next on {due}; ")
    assert said.endswith(f"deployment {deployment_of(project)}\n")
    status = subprocess.run(
        [sys.executable, "-m", "ssgan", "status", "-C", str(project)], capture_output=True, text=True, check=True
    )
    assert "data-3" in status.stdout
    assert "6-next.csv" in status.stdout
    verdicts = [Verdict.read(path) for path in (project / "data" / "batches").glob("*.json")]
    decisions = {verdict.manifest.source: verdict.decision for verdict in verdicts}
    assert (decisions["5-narrow.csv"], decisions["6-next.csv"]) == ("reject", "accept")
    assert "4-empty.csv" not in decisions


def test_a_scheduled_run_waits_for_a_command_under_way_and_with_nothing_new_changes_nothing(
    prefect_api: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.deployments import whole_way

    held = contextlib.ExitStack()
    held.enter_context(locked(Project(project)))
    ends = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: held.close())
    monkeypatch.setattr(wait, "time", ends)  # while the run waits, the command ends
    gate, head = (project / "reports" / "gate.json").read_bytes(), version.head(Project(project))
    assert whole_way(str(project)) == "nothing is new; the model in service stays"
    assert (project / "reports" / "gate.json").read_bytes() == gate
    assert version.head(Project(project)) == head


INTERRUPTED_WHILE_IT_SERVES = """
import asyncio, os, signal
from prefect.runner import Runner
from ssgan.cli import main

start = Runner.start

async def interrupted(self, *args, **named):
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
    await start(self, *args, **named)

Runner.start = interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what runs in the background ignore it
main()
"""


def test_a_schedule_interrupted_by_the_user_says_so_in_its_exit_code(prefect_api: str, project: Path) -> None:
    schedule = ["schedule", "-C", str(project), "--cron", NEVER]
    command = [sys.executable, "-c", INTERRUPTED_WHILE_IT_SERVES, *schedule]
    done = subprocess.run(command, capture_output=True, text=True, env=settings.environment(), timeout=120)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("retraining ")


@pytest.mark.parametrize("cron", ["@daily", "0 3 * * * *", "0 3 * *", "0 0 30 2 *", "0 25 * * *", "R 3 * * *", ""])
def test_a_schedule_is_five_fields_that_are_due_some_day(cron: str) -> None:
    from flows.deployments import check_cron

    with pytest.raises(UserError, match="it must be five cron fields"):
        check_cron(cron)


def test_a_schedule_that_is_none_is_refused_before_a_server_is_started(
    ssgan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_UI_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert ssgan("init", tmp_path / "mine").returncode == 0
    done = ssgan("schedule", "-C", tmp_path / "mine", "--cron", "at three")
    assert done.returncode == 2
    assert done.stderr == (
        "ssgan: --cron is 'at three': it must be five cron fields that are due some day, such as '0 3 * * *' for 3:00 "
        "a day\n"
    )
    assert not (tmp_path / "mine" / ".ssgan" / "prefect.log").exists()


def test_the_schedule_goes_by_the_clock_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.deployments import check_cron, local_zone, next_run

    check_cron("0 3 * * MON")
    for given, found in (("Asia/Tokyo", "Asia/Tokyo"), (":/usr/share/zoneinfo/Asia/Tokyo", "Asia/Tokyo"), ("", "UTC")):
        monkeypatch.setenv("TZ", given)
        assert local_zone() == found
    assert next_run("0 3 * * *", "Asia/Tokyo").astimezone(datetime.UTC).hour == 18


def test_without_tz_the_zone_is_where_localtime_points(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from flows import deployments

    monkeypatch.delenv("TZ", raising=False)
    (tmp_path / "localtime").symlink_to("/usr/share/zoneinfo/Asia/Kolkata")
    monkeypatch.setattr(deployments, "_LOCALTIME", tmp_path / "localtime")
    assert deployments.local_zone() in ("Asia/Kolkata", "Asia/Calcutta")  # one is a link to the other
    monkeypatch.setattr(deployments, "_LOCALTIME", tmp_path / "a copy of some zone")
    assert deployments.local_zone() == "UTC"


def test_the_score_flow_answers_a_file(prefect_api: str, project: Path, tmp_path: Path) -> None:
    from flows.score import score

    out = tmp_path / "answers.parquet"
    assert score(str(project), str(project / "data" / "incoming" / "1-good.csv"), str(out)) == 280
    assert len(pd.read_parquet(out)) == 280


def test_the_server_plans_the_runs_of_a_schedule(prefect_api: str) -> None:
    """What goes wrong there it tells its log alone, and no run is ever due."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
    from prefect.client.schemas.schedules import CronSchedule
    from prefect.client.schemas.sorting import FlowRunSort

    each_minute = DeploymentScheduleCreate(schedule=CronSchedule(cron="* * * * *"))
    with get_client(sync_client=True) as server:
        made = server.create_deployment(server.create_flow_from_name("planned"), "planned", schedules=[each_minute])
        server.request("POST", "/deployments/{id}/schedule", path_params={"id": made}, json={"min_runs": 2})
        of_it = DeploymentFilter(id=DeploymentFilterId(any_=[made]))
        runs = server.read_flow_runs(deployment_filter=of_it, limit=9, sort=FlowRunSort.ID_DESC)
        server.request("DELETE", "/deployments/{id}", path_params={"id": made})
    assert len(runs) >= 2
    assert {run.state_name for run in runs} == {"Scheduled"}
