"""A scheduled run that fails says why in one sentence, and the schedule goes on; a schedule that is killed does not."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pandas as pd
import pytest
from scheduled import run_now, scheduled

from ssgan.project import Project, locked

HOOK = "#!/bin/sh\necho the hook says no >&2\nexit 1\n"


def test_a_tool_that_fails_fails_one_run_in_one_sentence_and_the_next_one_is_as_good_as_ever(
    prefect_api: str, project: Path
) -> None:
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.write_text(HOOK)
    hook.chmod(0o755)
    incoming = project / "data" / "incoming"
    batch = pd.read_csv(incoming / "1-good.csv", dtype={"diagnosis": object}).drop(columns="worst_area")
    for name in ("5-narrow.csv", "6-narrow.csv"):  # which are rejected, if that can be committed
        batch.assign(record_id=[f"{name}{row}" for row in range(len(batch))]).to_csv(incoming / name, index=False)
    with scheduled(prefect_api, project) as server:
        failed = run_now(project).state
        hook.unlink()
        done = run_now(project).state
        assert server.poll() is None
        server.terminate()
        _, said = server.communicate(timeout=60)
    log = said.partition("SIGTERM received")[0]  # after which asyncio may complain of how Prefect goes
    reason = "`git commit --quiet` failed with 1; its last lines: the hook says no"
    assert (failed.type.value, failed.message) == ("FAILED", f"failed at 5-narrow.csv, 6-narrow.csv: {reason}")
    assert done.is_completed(), done
    assert f" - {failed.message}\n" in log
    assert "Traceback" not in log, log


def test_a_full_disk_fails_a_run_in_one_sentence(prefect_api: str, project: Path) -> None:
    from flows.deployments import whole_way

    pushed = project / ".ssgan" / "pushed"
    pushed.unlink()
    pushed.symlink_to("/dev/full")  # the last thing that a run writes
    state = whole_way(str(project), return_state=True)
    assert (state.type.value, state.message) == (
        "FAILED",
        "failed at the training: project cannot be written (No space left on device); free some space and run the same "
        "command again: the last version is as it was",
    )


def test_what_the_system_refuses_is_named_with_the_file(
    prefect_api: str, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from flows.deployments import whole_way

    lock = project / ".ssgan" / "lock"
    lock.unlink()
    lock.symlink_to(lock)
    state = whole_way(str(project), return_state=True)
    assert (state.type.value, state.message) == (
        "FAILED",
        f"failed at the start: the system refused: Too many levels of symbolic links ({lock}); mend it, and the next "
        "run goes on from there",
    )
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 143)])
def test_a_flow_under_way_ends_with_its_schedule_and_the_server_knows(
    prefect_api: str, project: Path, number: signal.Signals, code: int
) -> None:
    with scheduled(prefect_api, project) as server:
        with locked(Project(project)):  # so the flow waits, for an hour if need be
            run = run_now(project, timeout=0)
            children = _until(lambda: _is_running(run.id) and _flows_of(server.pid))
            server.send_signal(number)
            assert [child for child in children if not _has_ended(child)] == []
        server.communicate(timeout=60)
    assert server.returncode == code
    assert _until(lambda: _state_of(run.id) in ("CRASHED", "FAILED"))


def test_a_run_whose_process_had_no_time_to_say_so_is_told_to_the_server(prefect_api: str, project: Path) -> None:
    with scheduled(prefect_api, project) as server:
        with locked(Project(project)):
            run = run_now(project, timeout=0)
            children = _until(lambda: _is_held(project) and _is_running(run.id) and _flows_of(server.pid))
            server.kill()  # and what has no schedule any more is killed as well
            for child in children:
                signal.pidfd_send_signal(child, signal.SIGKILL)
            assert [child for child in children if not _has_ended(child)] == []
        server.communicate(timeout=60)
    assert _state_of(run.id) == "RUNNING"
    with scheduled(prefect_api, project) as server:
        assert _until(lambda: _state_of(run.id) == "CRASHED")
        server.terminate()
        server.communicate(timeout=60)


def _state_of(run: UUID) -> str:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
    assert state is not None
    return state.type.value


def _is_running(run: UUID) -> bool:
    return _state_of(run) == "RUNNING"


def _is_held(project: Path) -> bool:
    """Whether a run under way has noted itself."""
    note = project / ".ssgan" / "scheduled-run"
    return note.is_file() and len(note.read_text()) == len(str(UUID(int=0)))


def _flows_of(process: int) -> list[int]:
    """File descriptors of the processes in which it has flows run."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(process)], capture_output=True, text=True)
    rows = [row.split(maxsplit=1) for row in listed.stdout.splitlines()]
    return [os.pidfd_open(int(number)) for number, command in rows if "spawn_main" in command]


def _has_ended(process: int, patience: float = 60) -> bool:
    try:
        return bool(select.select([process], [], [], patience)[0])
    finally:
        os.close(process)


def _until(holds: Callable[[], object], patience: float = 60):
    """What it is when it comes true."""
    deadline = time.monotonic() + patience
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came true"
        threading.Event().wait(0.05)
    return found
