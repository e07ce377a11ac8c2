"""Runs a tool as a child process: its lines are passed on as they come, and no process of it outlives ours."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from ssgan.errors import ToolError
from ssgan.process import kill_group, stop_group
from ssgan.settings import environment

LAST_LINES = 15  # of a tool that failed
OnLine = Callable[[str], None]

_OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


def child_environment() -> dict[str, str]:
    """The environment of every tool: quiet, asking nothing, and about no repository but the one it is started in.

    A hook of an outer repository exports variables that would send our commits there.
    """
    variables = {name: value for name, value in environment().items() if name not in _OF_ANOTHER_REPOSITORY}
    return {**variables, "GIT_TERMINAL_PROMPT": "0", "PYTHONUNBUFFERED": "1"}


def run(command: Sequence[str], folder: Path, on_line: OnLine) -> tuple[int, list[str]]:
    """Runs a command in a session of its own, in `folder`.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        on_line: Gets each line that is not empty, of stdout and stderr together, as soon as it is there.

    Returns:
        The exit code and the lines.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        bufsize=1,
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        for line in process.stdout or ():
            if text := line.rstrip():
                lines.append(text)
                on_line(text)
        code = process.wait()
    except BaseException:  # a timeout, a cancelled flow or Ctrl-C would leave the tool's own children behind
        stop_group(process)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    if code != 0:
        kill_group(process)
    return code, lines


def git(folder: Path, *args: str, may_fail: bool = False) -> str:
    """What git prints, as text; see `git_bytes`."""
    return git_bytes(folder, *args, may_fail=may_fail).decode(errors="replace")


def git_bytes(folder: Path, *args: str, may_fail: bool = False) -> bytes:
    """Runs git in `folder` and returns what it prints; nothing where it failed and `may_fail`.

    Raises:
        ToolError: if git fails, with its last lines, or is not there.
    """
    environment = child_environment()
    try:
        done = subprocess.run(
            ["git", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", *args],
            cwd=folder,
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise ToolError("git is not installed; install it and try again") from None
    if done.returncode == 0:
        return done.stdout
    if may_fail:
        return b""
    last = "\n".join(done.stderr.decode(errors="replace").strip().splitlines()[-LAST_LINES:])
    raise ToolError(f"`git {' '.join(args[:2])}` failed with {done.returncode}; its last lines:\n{last}")
