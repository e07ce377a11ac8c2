"""The process of a scheduled run ends with the schedule, even where it is stuck."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import threading
from pathlib import Path

from flows.processes import end_with_parent

PARENT = """
import multiprocessing, sys
from pathlib import Path
from test_flow_processes import stuck
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=stuck, args=(Path(sys.argv[1]),))
    child.start()
    print(sys.stdin.readline())
"""


def stuck(folder: Path) -> None:
    """A run that signals do not end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent((folder / "told").touch, grace=0.1)
    (folder / "ready").touch()
    threading.Event().wait()


def test_a_stuck_run_is_told_of_and_ended_when_its_schedule_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    given = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": Path(__file__).parent}
    environment = {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment, **given) as parent:
        _wait_for(tmp_path / "ready")
        parent.kill()
        parent.stdout.read()  # to the end, which comes when the child, which has it too, has ended
    assert (tmp_path / "told").is_file()


def test_a_run_that_nobody_has_started_follows_nobody() -> None:
    assert multiprocessing.parent_process() is None
    before = threading.active_count()
    end_with_parent(lambda: None)
    assert threading.active_count() == before


def _wait_for(file: Path, patience: int = 600) -> None:
    for _ in range(patience):
        if file.exists():
            return
        threading.Event().wait(0.1)
    raise AssertionError(f"{file.name} never came")
