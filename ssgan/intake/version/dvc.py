"""Runs DVC: stages are computed, content is pushed; what it says when it fails becomes one sentence."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from ssgan.errors import BusyError, ToolError, UserError
from ssgan.intake.version.command import LAST_LINES, OnLine, disk_failure, run, storage_failure
from ssgan.progress import say
from ssgan.project import Project

_ABOUT_ITSELF = (  # what DVC says around the lines of a stage
    "Running stage ",
    "> ",
    "Stage '",
    "'",
    "Verifying data sources",
    "Generating lock file",
    "Updating lock file",
    "To track the changes",
    "To enable auto staging",
    "\tgit add",
    "\tdvc config",
    "Use `dvc push`",
    "Data and pipelines are up to date",
    "ERROR: failed to reproduce",
    "WARNING: Process '",  # that it has removed a lock of a killed DVC
)
_OF_A_REMOTE = ("push", "pull", "fetch")
PATIENCE = 60.0  # seconds for another DVC process to end


def run_dvc(project: Project, *args: str, on_line: OnLine = say) -> list[str]:
    """Runs DVC in a process of its own and returns its lines; waits for another DVC that holds what it needs.

    Raises:
        BusyError: if that other DVC does not end within a minute.
        UserError: if a stage ended with a user's mistake; with the sentence that it said.
        ToolError: if DVC failed otherwise; with its last lines.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        with _own_index(args[0]) as variables:
            code, lines = run([sys.executable, "-m", "dvc", *args], project.root, on_line, variables)
        if code == 0:
            return lines
        if time.monotonic() <= deadline and _cut_short(project, lines):
            continue
        failure = _failure(args, code, lines)
        if not isinstance(failure, BusyError) or time.monotonic() > deadline:
            raise failure
        say(f"another DVC process is working on {project.root.name}; waiting for it")
        time.sleep(1)


def _cut_short(project: Project, lines: Sequence[str]) -> bool:
    """Removes DVC's list of who reads and writes what, where a kill has left half of it; whether it was that.

    DVC writes the list in place, and every later command fails on it. Whoever is at work just then loses its entry.
    """
    if not any("Unable to read RWLock-file" in line for line in lines):
        return False
    try:
        (project.root / ".dvc" / "tmp" / "rwlock").unlink()
    except FileNotFoundError:
        return False
    say("a DVC process was killed while it wrote its list of locks; the list begins anew")
    return True


@contextmanager
def _own_index(command: str) -> Iterator[dict[str, str]]:
    """An index of its own for what speaks with a remote, made anew.

    DVC keeps beside the project what it has found that a push or a fetch is about. After a kill in the middle, a push
    was seen that sent a list without its files and called it done; what the killed one left there is the likely cause.
    """
    if command not in _OF_A_REMOTE:
        yield {}
        return
    with TemporaryDirectory(prefix="ssgan-dvc-", ignore_cleanup_errors=True) as folder:
        yield {"DVC_SITE_CACHE_DIR": folder}


def quietly(project: Project, *args: str) -> None:
    """Runs DVC for what nobody needs to hear; DVC's own `--quiet` would keep back why it failed, too."""
    run_dvc(project, *args, on_line=_unheard)


def _failure(args: Sequence[str], code: int, lines: Sequence[str]) -> Exception:
    """What went wrong: how the stage itself ended, if one did, or else what DVC says in its own lines."""
    said = [line.removeprefix("ssgan: ") for line in lines if line.startswith("ssgan: ")]
    last_lines = ToolError(
        f"`dvc {' '.join(args)}` failed with {code}; its last lines:\n" + "\n".join(lines[-LAST_LINES:])
    )
    _, _, of_stage = "\n".join(["", *lines]).rpartition("\nERROR: failed to reproduce")
    exited = re.findall(r", exited with (-?\d+)", of_stage)
    if exited and said and int(exited[-1]) == UserError.exit_code:
        return UserError(said[-1])
    if exited:
        return (disk_failure(said[-1]) if said else None) or last_lines
    own = "\n".join(line for line in lines if line.startswith("ERROR:"))
    if "Unable to acquire lock" in own or "is busy, it is being blocked by" in own:
        return BusyError("another DVC process is working on this project; wait until it has ended")
    storage = storage_failure(own)
    if storage is not None:
        return storage
    if args[0] in ("push", "pull", "fetch"):
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), "it gave no reason")
        return UserError(
            f"the DVC remote does not answer ({' '.join(reason.removeprefix('ERROR:').split())[:200]}); "
            "nothing that was accepted is lost: mend the remote and run the same command again"
        )
    return UserError(said[-1]) if said else last_lines


def stages(project: Project) -> list[str]:
    """The stages of `dvc.yaml`, in the order in which they stand there."""
    return list(_pipeline(project))


def repro(project: Project, stage: str, on_line: OnLine = say, *, force: bool = False) -> None:
    """Computes one stage if what it needs has changed, or in any case.

    Raises:
        UserError: if the stage ended with a user's mistake.
        ToolError: if it failed otherwise.
    """

    def hear(line: str) -> None:
        if not line.startswith(_ABOUT_ITSELF):
            on_line(line)

    forced = ["--force"] if force else []
    run_dvc(project, "repro", "--single-item", *forced, stage, on_line=hear)  # --quiet would not say how a stage ended


def out_of_date(project: Project) -> list[str]:
    """The stages that DVC would run, and those behind them, which it would look at; in the order of `dvc.yaml`."""
    pipeline = _pipeline(project)
    lines = run_dvc(project, "status", "--json", *pipeline, on_line=_unheard)
    changed = {name for name in json.loads(lines[-1] if lines else "{}") if name in pipeline}
    touched: set[str] = set()
    for name, stage in pipeline.items():
        if name in changed or touched & {*stage.get("deps", ())}:
            changed.add(name)
            touched |= {out for kind in ("outs", "metrics", "plots") for out in _paths(stage.get(kind, ()))}
    return [name for name in pipeline if name in changed]


def outputs(project: Project, *kinds: str) -> list[str]:
    """Paths of what the stages write: of these kinds among `outs`, `metrics` and `plots`, each once."""
    found = [path for stage in _pipeline(project).values() for kind in kinds for path in _paths(stage.get(kind, ()))]
    return list(dict.fromkeys(found))


def _pipeline(project: Project) -> dict[str, dict[str, Any]]:
    content = yaml.safe_load(project.stages.read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = content["stages"]
    return found


def _paths(entries: Iterable[str | dict[str, Any]]) -> Iterable[str]:
    """The paths of a list in which each entry is a path, or a path with options."""
    for entry in entries:
        yield from [entry] if isinstance(entry, str) else entry


def _unheard(_line: str) -> None:
    """What is read by a program need not be heard by a person."""


def push(project: Project, *targets: str) -> None:
    """Copies content to the remote: of the named `.dvc` files or stages, or all of it."""
    quietly(project, "push", *targets)
