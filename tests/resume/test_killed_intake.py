"""An intake that is killed anywhere, again and again: the next one finishes it, and every row is there exactly once.

SSGAN_KILLS says how many kills (by default 3, and 1 with files cut short; the hundreds that docs/intake.md speaks of
were done as `SSGAN_KILLS=10 SSGAN_KILL_SEED=1` and so on, ten minutes for a hundred on a quiet machine).
A process that has loaded everything forks one intake per attempt, so that a kill costs no start.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from left_over import settled

from ssgan import settings
from ssgan.intake import store, version
from ssgan.project import Project

KILLS = {cut: int(os.environ.get("SSGAN_KILLS", default)) for cut, default in ((False, "3"), (True, "1"))}
SEED = int(os.environ.get("SSGAN_KILL_SEED", "0"))
CONTRACT = """
name: t
task: classification
id: id
label: {column: y, classes: [ill, well]}
columns:
  a: {type: number, min: -10, max: 10}
  c: {type: category, values: [u, v]}
conflicts: newest
rules: {labelled_at_least: 4, joint_drift_auc_at_most: null}
"""
WARM = """
import os, sys
from pathlib import Path
from ssgan import settings
settings.apply()
from ssgan.intake import expectations
from ssgan.intake.ingest import ingest
from ssgan.errors import RejectedError
from ssgan.project import Project, locked
import pandas
project = Project(Path(sys.argv[1]))
print("warm", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.setsid()
        try:
            with locked(project):
                ingest(project, Path(line.strip()))
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Intake:
    """Forks intakes; kills some."""

    def __init__(self, root: Path, log: Path) -> None:
        self.log = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-c", WARM, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=settings.environment(),
        )
        assert self._line() == "warm"

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def run(self, file: Path, kill_after: float | None) -> tuple[int, float]:
        """One intake: exit code (-9 if the kill came in time) and seconds."""
        assert self.process.stdin is not None
        start = time.perf_counter()
        self.process.stdin.write(f"{file}\n")
        self.process.stdin.flush()
        child = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            for target in (os.killpg, os.kill):  # before its setsid it has no group of its own
                try:
                    target(child, signal.SIGKILL)
                    break
                except ProcessLookupError:
                    continue
        return int(self._line()), time.perf_counter() - start

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.log.close()


def frame(number: int, rows: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(number)
    labels = np.where(rng.random(rows) < 0.4, rng.choice(["ill", "well"], rows), None)
    columns = {"a": rng.normal(0, 1, rows), "c": rng.choice(["u", "v"], rows), "y": labels}
    return pd.DataFrame({"id": [f"{number}-{row}" for row in range(rows)], **columns})


def batch(number: int, before: pd.DataFrame | None) -> tuple[pd.DataFrame, int]:
    """New rows, two bad ones, and ten of the batch before with other labels; and how many are bad."""
    fresh = frame(number)
    fresh.loc[3, "a"] = 99.0
    fresh.loc[5, "c"] = "w"
    if before is None:
        return fresh, 2
    late = before.drop(index=[3, 5]).head(10).assign(y=["ill", "well"] * 5)
    return pd.concat([fresh, late], ignore_index=True), 2


def git(root: Path, *args: str) -> str:
    return subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def check(root: Path, expected: dict[str, tuple[float, str | None]], refused: int) -> None:
    """No accepted row lost, none twice, every label the newest, quarantine complete, DVC and git clean and linear."""
    project = Project(root)
    rows = pd.concat([pd.read_parquet(path) for path in sorted(project.accepted.glob("*.parquet"))])
    assert rows["_id"].is_unique
    found = {row["_id"]: (row["a"], row["y"] if isinstance(row["y"], str) else None) for row in rows.to_dict("records")}
    assert found == expected
    held = [pq.read_table(path) for path in project.quarantine.glob("*.parquet")]
    assert sum(table.num_rows for table in held) == refused
    assert {path for path in project.accepted.iterdir()} == {*store.accepted_files(project)}
    current = version.current_version(project)
    assert current is not None
    assert current.rows == len(expected)
    assert sum(current.labelled.values()) == sum(label is not None for _, label in expected.values())
    assert git(root, "status", "--porcelain") == ""
    assert "{}" in version.run_dvc(project, "status", "--json")
    assert "Cache and remote 'store' are in sync" in "".join(version.run_dvc(project, "status", "--cloud"))
    assert git(root, "rev-list", "--merges", "HEAD") == ""
    assert [int(name.removeprefix("data-")) for name in version.tags(project)] == [
        *range(1, len(version.tags(project)) + 1)
    ]
    subprocess.run(["git", "fsck", "--strict"], cwd=root, check=True, capture_output=True)


def newest_file(root: Path) -> Path:
    """Of the project, but for git's own store, which syncs every object before it names it."""
    files = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.relative_to(root).parts[:1]]
    inside = [path for path in files if ".dvc/tmp" not in str(path) and path.name != "lock"]
    return max(inside, key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("cut", [False, True], ids=["killed", "killed and cut short"])
def test_every_row_is_there_once_however_often_an_intake_is_killed(tmp_path: Path, cut: bool) -> None:
    project = Project(tmp_path / "project")
    project.incoming.mkdir(parents=True)
    project.params.write_text("{}")
    project.stages.write_text("stages: {}")
    project.contract.write_text(CONTRACT)
    version.init_repository(project)
    chance, kills, number = random.Random(SEED + cut), 0, 0
    expected: dict[str, tuple[float, str | None]] = {}
    before, usual = None, None
    intake = Intake(project.root, tmp_path / "log.txt")
    wanted = KILLS[cut]
    try:
        while kills < wanted or number < 2:
            number += 1
            rows, _ = batch(number, before)
            file = project.incoming / f"{number:03d}.csv"
            rows.to_csv(file, index=False)
            undisturbed = True
            while kills < wanted and usual is not None and chance.random() < 0.85:
                undisturbed = False
                code, _ = intake.run(file, chance.uniform(0, usual))
                if code == 0:
                    break
                assert code == -signal.SIGKILL
                kills += 1
                if cut:
                    assert settled(project.root) == []
                    victim = newest_file(project.root)
                    if victim != file:
                        victim.chmod(0o644)
                        os.truncate(victim, victim.stat().st_size // 2)
            code, seconds = intake.run(file, None)
            assert code == 0, (tmp_path / "log.txt").read_text()[-3000:]
            if undisturbed:  # else it may only have had to say that all is done
                usual = seconds if usual is None else min(usual, seconds)
            for row in rows.to_dict("records"):
                if abs(row["a"]) <= 10 and row["c"] in ("u", "v"):
                    label = row["y"] if isinstance(row["y"], str) else None
                    expected[row["id"]] = (row["a"], label or expected.get(row["id"], (0, None))[1])
            before = rows.head(60)
            if kills >= wanted or number % 5 == 0:
                check(project.root, expected, 2 * number)
    finally:
        intake.close()
    assert settled(project.root) == []
    told = {"kills": kills, "batches": number, "seed": SEED, "cut": cut, "usual_seconds": usual}
    sys.stdout.write(json.dumps(told) + "\n")
