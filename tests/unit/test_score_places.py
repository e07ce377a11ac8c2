"""Scoring where there is no room, or no place: one sentence, no half of a file, and the same command goes on."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shipped import frame, make_shipped

from ssgan import settings
from ssgan.errors import UserError
from ssgan.project import Project
from ssgan.ship.score import score

ROWS = 40_000  # two pieces
ROOM = 200_000  # bytes that a file may have: less than the answers to one piece


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With a champion."""
    return make_shipped(tmp_path_factory.mktemp("places") / "project")


def run(project: Project, file: Path, out: Path, before: Callable[[], None] | None) -> tuple[int, str]:
    """`ssgan score` as a process; exit code and standard error."""
    command = [sys.executable, "-m", "ssgan", "score", "-C", project.root, file, "-o", out, "--bad", "quarantine"]
    done = subprocess.run(
        [*map(str, command)], env=settings.environment(), capture_output=True, text=True, preexec_fn=before, timeout=300
    )
    return done.returncode, done.stderr


def no_large_files() -> None:
    """The system refuses what a full disk refuses, at a place that does not depend on the disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


def test_without_room_for_the_answers_one_sentence_is_said_and_the_same_command_goes_on(
    project: Project, tmp_path: Path
) -> None:
    rows = frame(ROWS)
    rows.loc[rows.index % 1000 == 7, "age"] = 500
    file, out = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    rows.to_parquet(file)
    out.write_bytes(b"of an earlier run")
    code, said = run(project, file, out, no_large_files)
    (sentence,) = [line for line in said.splitlines() if line.startswith("ssgan: ")]
    assert code == 2
    assert sentence.startswith(f"ssgan: {out} cannot be written (File too large); free some space")
    assert "our fault" not in said
    assert out.read_bytes() == b"of an earlier run"
    assert not (tmp_path / "out.quarantine.parquet").exists()
    assert run(project, file, out, None)[0] == 0
    score(project, file, tmp_path / "whole.parquet", "quarantine")
    assert out.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["rows.parquet", *(f"{name}{end}.parquet" for name in ("out", "whole") for end in ("", ".quarantine"))]
    )


@pytest.mark.parametrize("name", ["x" * 250, "/proc/out"])
def test_a_place_that_cannot_be_written_is_one_sentence(project: Project, tmp_path: Path, name: str) -> None:
    frame(3).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(UserError, match=r"cannot be written \([A-Z][^)]+\); name a file in a folder that") as caught:
        score(project, tmp_path / "rows.parquet", tmp_path / f"{name}.p")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
