"""Runs a tool as a child process: its lines are passed on as they come, and no process of it outlives ours,
however ours ends."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ssgan.errors import ToolError, UserError
from ssgan.process import kill_group, stop_group
from ssgan.settings import environment

LAST_LINES = 15  # of a tool that failed
_PATIENCE = 10.0  # seconds for a git of somebody else to end
OnLine = Callable[[str], None]

# Between us and a tool stands this: when we are killed, even by SIGKILL, the kernel tells it, and it ends the tool and
# all the tool's children. Signals to the whole group are for the tool; it waits for how the tool takes them.
_LEASH = """
import ctypes, os, signal, subprocess, sys
signal.signal(signal.SIGUSR1, lambda *_: os.killpg(0, signal.SIGKILL))
ctypes.CDLL(None).prctl(1, signal.SIGUSR1, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda *_: None)
code = subprocess.Popen(sys.argv[2:]).wait()
sys.exit(code if code >= 0 else 128 - code)
"""
_DISK = (  # what the system says when it cannot write, and what a person should read
    ("No space left on device", "the disk is full; free some space and run the same command again: no data is lost"),
    ("Read-only file system", "the project lies on a read-only file system; make it writable and run it again"),
)
_STORAGE = (
    *_DISK,
    (
        "Permission denied",
        "a file of the project or its remote may not be written; mend its permissions and run again",
    ),
)
_OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


def child_environment() -> dict[str, str]:
    """The environment of every tool: quiet, asking nothing, and about no repository but the one it is started in.

    A hook of an outer repository exports variables that would send our commits there.
    """
    variables = {name: value for name, value in environment().items() if name not in _OF_ANOTHER_REPOSITORY}
    return {**variables, "GIT_TERMINAL_PROMPT": "0", "PYTHONUNBUFFERED": "1"}


def run(
    command: Sequence[str], folder: Path, on_line: OnLine, variables: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Runs a command in a session of its own, in `folder`.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        on_line: Gets each line that is not empty, of stdout and stderr together, as soon as it is there.
        variables: Of the environment, besides the usual ones.

    Returns:
        The exit code and the lines.
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _LEASH, str(os.getpid()), *command],
        cwd=folder,
        env={**child_environment(), **(variables or {})},
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


def remove_stale_locks(folder: Path) -> None:
    """Removes the lock files that a killed git has left; while a git is at work in `folder`, nothing is touched."""
    locks = [*(folder / ".git").rglob("*.lock")]  # beside objects too, where DVC's own git leaves them on a full disk
    deadline = time.monotonic() + _PATIENCE
    while locks and _git_at_work(folder) and time.monotonic() < deadline:
        time.sleep(0.2)
        locks = [path for path in locks if path.exists()]
    for path in locks if not _git_at_work(folder) else ():
        path.unlink(missing_ok=True)


def _git_at_work(folder: Path) -> bool:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "comm").read_text().strip() == "git" and (entry / "cwd").resolve().is_relative_to(folder):
                return True
        except OSError:
            continue
    return False


def storage_failure(text: str) -> UserError | None:
    """The one sentence for what a tool said, if it could not write; None if it said something else."""
    return next((UserError(sentence) for found, sentence in _STORAGE if found in text), None)


def disk_failure(text: str) -> UserError | None:
    """The same, of the disk alone: where only the text itself says which file may not be written."""
    return next((UserError(sentence) for found, sentence in _DISK if found in text), None)


def _foreign(folder: Path, text: str) -> UserError | None:
    """The one sentence for what git said, if it does not work in a repository of somebody else; None otherwise."""
    if "dubious ownership" not in text:
        return None
    named = re.search(r"--add safe\.directory (.+)", text)
    where = named[1] if named else str(folder)
    return UserError(
        f"{where} belongs to another user, and git works there only if it is told to; run "
        f"`git config --global --add safe.directory {where}`, or make it yours"
    )


def git(folder: Path, *args: str, may_fail: bool = False) -> str:
    """What git prints, as text; see `git_bytes`."""
    return git_bytes(folder, *args, may_fail=may_fail).decode(errors="replace")


def git_bytes(folder: Path, *args: str, may_fail: bool = False) -> bytes:
    """Runs git in `folder` and returns what it prints; nothing where it failed and `may_fail`.

    Raises:
        UserError: if the disk is full, git may not write, or the repository is another user's.
        ToolError: if git fails otherwise, with its last lines, or is not there.
    """
    environment = {**child_environment(), "LC_ALL": "C.UTF-8"}  # what it says is looked at here
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
    said = done.stderr.decode(errors="replace")
    foreign = _foreign(folder, said)  # this is no answer, even where git may fail
    if foreign is not None:
        raise foreign
    if may_fail:
        return b""
    storage = storage_failure(said)
    if storage is not None:
        raise storage
    last = "\n".join(said.strip().splitlines()[-LAST_LINES:])
    raise ToolError(f"`git {' '.join(args[:2])}` failed with {done.returncode}; its last lines:\n{last}")
