"""Scoring that is killed goes on where it was, and ends as if it had not been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from shipped import frame, make_shipped

from ssgan import settings
from ssgan.ship.score import score

KILLS = int(os.environ.get("SSGAN_KILLS", "2"))  # the default keeps the suite short
ROWS = 500_000


def finished(parts: Path) -> int:
    return len([*parts.glob("*.answers.arrow")])


def written(parts: Path) -> dict[str, tuple[int, int]]:
    """Of each finished part: when it was written, and as which file."""
    found = {path.name: path.stat() for path in parts.glob("*.answers.arrow")}
    return {name: (stat.st_mtime_ns, stat.st_ino) for name, stat in found.items()}


def test_scoring_killed_again_and_again_ends_with_the_bytes_of_an_unbroken_run(tmp_path: Path) -> None:
    project = make_shipped(tmp_path / "project")
    rows = frame(20_000)
    rows.loc[rows.index % 1000 == 7, "age"] = 500
    file, out = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    pd.concat([rows] * (ROWS // len(rows))).to_parquet(file, row_group_size=100_000)
    score(project, file, tmp_path / "whole.parquet", "quarantine")
    command = [sys.executable, "-m", "ssgan", "score", "-C", project.root, file, "-o", out, "--bad", "quarantine"]
    parts, chance, kills = tmp_path / ".out.parquet.parts", random.Random(7), 0
    kept, torn = dict[str, tuple[int, int]](), set[str]()
    while kills < KILLS:
        before = finished(parts)
        process = subprocess.Popen(list(map(str, command)), env=settings.environment(), stderr=subprocess.DEVNULL)
        wanted = before + chance.randint(1, max(1, 15 // KILLS))
        deadline = time.monotonic() + 120
        while finished(parts) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        if process.wait() == 0:
            pytest.fail(f"the run was over after {kills} kills; make ROWS larger")
        assert finished(parts) >= wanted
        assert not out.exists()
        now = written(parts)
        assert {name: now.get(name) for name in kept} == kept  # what was finished is not done again
        if kills == 0:  # as a power cut would leave it
            victim = sorted(parts.glob("*.answers.arrow"))[0]
            os.truncate(victim, victim.stat().st_size // 2)
            torn.add(victim.name)
        kept = {name: each for name, each in now.items() if name not in torn}
        kills += 1
    done = subprocess.run(list(map(str, command)), env=settings.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    held = tmp_path / "out.quarantine.parquet"
    assert held.read_bytes() == (tmp_path / "whole.quarantine.parquet").read_bytes()
    left = {path.name for path in tmp_path.iterdir() if "out" in path.name}
    assert left == {"out.parquet", "out.quarantine.parquet"}
