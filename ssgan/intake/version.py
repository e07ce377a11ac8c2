"""The one door to DVC and git: accepted data becomes a version, and stages run.

A version is a commit with a tag `data-<n>`. The tag comes last, after the content is pushed: where there is a tag,
everything behind it is there too, and what an interrupted run has left without one can simply be done again.
The caller holds the project's lock.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from ssgan.errors import BusyError, ProjectError, ToolError, UserError
from ssgan.intake.command import LAST_LINES, OnLine, git, git_bytes, run
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import DatasetVersion, Verdict

TAG = "data-"
REMOTE = "remote"  # the default DVC remote, inside the project's runtime directory
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
)
_CONFIG = """\
[core]
    analytics = false
    check_update = false
    autostage = true
    remote = store
['remote "store"']
    url = {url}
"""
_IGNORED = (
    "/.ssgan",
    "/data/incoming",
    "/data/accepted",
    "/data/quarantine",
    "/data/prepared",
    "/models/ssgan",
    "/models/twin",
    "/reports/baselines.npz",
    "/bento",
)


def init_repository(project: Project, remote: str | Path | None = None) -> None:
    """Makes the project a git and DVC repository of its own and commits what makes it a project.

    Args:
        project: Its directory; may be a git repository already, or lie inside another one, which is left alone.
        remote: A URL or directory for DVC; by default a directory in the project, so that nothing else is needed.

    Raises:
        ToolError: if git or DVC fails.
    """
    if not (project.root / ".git").exists():
        git(project.root, "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "ssgan"), ("user.email", "ssgan@localhost")):
        if not git(project.root, "config", "--default", "", key).strip():
            git(project.root, "config", "--local", key, value)
    if not (project.root / ".dvc").is_dir():
        run_dvc(project, "init", "--quiet")
        _write_config(project, remote)
    ignore = project.root / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    ignore.write_text("\n".join(dict.fromkeys([*lines, *_IGNORED])) + "\n", encoding="utf-8")
    made = [project.root / name for name in (".gitignore", ".dvcignore", ".dvc/.gitignore", ".dvc/config")]
    commit(project, [*made, project.params, project.stages, project.contract], "Make the project")


def _write_config(project: Project, remote: str | Path | None) -> None:
    """The committed file names the default remote in full, so that a clone finds it; here it is relative.

    So the project may be moved without its content going to where it was.
    """
    default = project.runtime / REMOTE
    url = remote if remote is not None else default
    (project.root / ".dvc" / "config").write_text(_CONFIG.format(url=url), encoding="utf-8")
    if remote is None:
        default.mkdir(parents=True, exist_ok=True)
        here = f"['remote \"store\"']\n    url = {os.path.relpath(default, project.root / '.dvc')}\n"
        (project.root / ".dvc" / "config.local").write_text(here, encoding="utf-8")


def run_dvc(project: Project, *args: str, on_line: OnLine = say) -> list[str]:
    """Runs DVC in a process of its own and returns its lines.

    Raises:
        BusyError: if another DVC holds what this one needs; DVC does not wait.
        UserError: if a stage ended with a user's mistake; with the sentence that it said.
        ToolError: if DVC failed otherwise; with its last lines.
    """
    code, lines = run([sys.executable, "-m", "dvc", *args], project.root, on_line)
    if code != 0:
        raise _failure(args, code, lines)
    return lines


def _failure(args: Sequence[str], code: int, lines: Sequence[str]) -> Exception:
    text = "\n".join(lines)
    if "Unable to acquire lock" in text or "is busy, it is being blocked by" in text:
        return BusyError("another DVC process is working on this project; wait until it has ended")
    said = [line.removeprefix("ssgan: ") for line in lines if line.startswith("ssgan: ")]
    exited = re.search(r"exited with (\d+)", text)
    if said and (exited is None or int(exited[1]) == UserError.exit_code):
        return UserError(said[-1])
    return ToolError(f"`dvc {' '.join(args)}` failed with {code}; its last lines:\n" + "\n".join(lines[-LAST_LINES:]))


def stages(project: Project) -> list[str]:
    """The stages of `dvc.yaml`, in the order in which they stand there."""
    return list(_pipeline(project))


def repro(project: Project, stage: str, on_line: OnLine = say) -> None:
    """Computes one stage if what it needs has changed.

    Raises:
        UserError: if the stage ended with a user's mistake.
        ToolError: if it failed otherwise.
    """

    def hear(line: str) -> None:
        if not line.startswith(_ABOUT_ITSELF):
            on_line(line)

    run_dvc(project, "repro", "--single-item", stage, on_line=hear)  # with --quiet, it would not say how a stage ended


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
    run_dvc(project, "push", "--quiet", *targets)


def head(project: Project) -> str:
    """The commit the project stands at, in full."""
    return git(project.root, "rev-parse", "HEAD").strip()


def commit(project: Project, paths: Sequence[Path], message: str) -> str | None:
    """Commits exactly these files, whatever else is changed or staged.

    Returns:
        The new commit, or None if none of the files had changed.

    Raises:
        ProjectError: if the project is not a git repository of its own.
    """
    _require_own(project)
    names = [path.relative_to(project.root).as_posix() for path in paths if path.exists()]
    if not names:
        return None
    git(project.root, "add", "--", *names)
    if not git(project.root, "diff", "--cached", "--name-only", "--", *names).strip():
        return None
    git(project.root, "commit", "--quiet", "--message", message, "--", *names)
    return head(project)


def require_repository(project: Project) -> None:
    """Makes sure that versions can be made here.

    Raises:
        ProjectError: if the project is not a git and DVC repository of its own.
    """
    _require_own(project)
    if not (project.root / ".dvc").is_dir():
        raise ProjectError(f"{project.root} is no DVC repository; make a project with `ssgan init`")


def _require_own(project: Project) -> None:
    """The git history of a directory above is somebody else's."""
    try:
        top = git(project.root, "rev-parse", "--show-toplevel").strip()
    except ToolError:
        top = ""
    if not top or Path(top).resolve() != project.root.resolve():
        found = f"it lies in the one of {top}" if top else "there is none"
        raise ProjectError(f"{project.root} needs a git repository of its own, and {found}; make one with `ssgan init`")


def accept_version(project: Project, verdict: Verdict) -> DatasetVersion:
    """Makes a version of what lies in the data directories: DVC, commit, push, tag. May be done again after a crash.

    Args:
        project: Where the accepted Parquet, the quarantine and all verdicts are written already.
        verdict: The newest one, for the message of the commit.

    Raises:
        ToolError: if DVC or git fails; the last version stays as it is.
    """
    tracked = [folder for folder in (project.accepted, project.quarantine) if folder.is_dir() and any(folder.iterdir())]
    run_dvc(project, "add", "--quiet", *(folder.relative_to(project.root).as_posix() for folder in tracked))
    pointers = [folder.with_name(f"{folder.name}.dvc") for folder in tracked]
    verdicts = sorted(project.batches.glob("*.json"))
    commit(project, [*pointers, *verdicts, project.contract], message_of(verdict))
    push(project, *(pointer.relative_to(project.root).as_posix() for pointer in pointers))
    before = current_version(project)
    if before is None or before.dvc_hash != _dvc_hash(project.accepted.with_name("accepted.dvc").read_bytes()):
        taken = [int(name.removeprefix(TAG)) for name in git(project.root, "tag", "--list", f"{TAG}[0-9]*").split()]
        git(project.root, "tag", f"{TAG}{max(taken, default=0) + 1}")
    after = current_version(project)
    if after is None:
        raise ToolError("git does not show the tag it has just made; look at `git tag --list`")
    return after


def message_of(verdict: Verdict) -> str:
    """The message of the commit that carries a verdict."""
    manifest = verdict.manifest
    verb = "Reject" if verdict.decision == "reject" else "Accept"
    return f"{verb} batch {manifest.batch}\n\n{verdict.sentence}"


def current_version(project: Project) -> DatasetVersion | None:
    """The newest version of the data behind the commit the project stands at, or None before the first."""
    name = git(project.root, "describe", "--tags", "--abbrev=0", f"--match={TAG}[0-9]*", may_fail=True).strip()
    if not name:
        return None
    return _version_at(project, name)


def trained_version(project: Project) -> DatasetVersion | None:
    """The version of the data that `prepare` last read, by `dvc.lock`; None if there is none yet."""
    lock = project.root / "dvc.lock"
    locked = yaml.safe_load(lock.read_text(encoding="utf-8")) if lock.is_file() else {"stages": {}}
    read = locked["stages"].get("prepare", {}).get("deps", ())
    wanted = next((dep["md5"] for dep in read if dep["path"] == "data/accepted"), None)
    names = git(project.root, "tag", "--list", f"{TAG}[0-9]*", "--sort=-version:refname").split()
    versions = (_version_at(project, name) for name in names)
    return next((version for version in versions if version.dvc_hash == wanted), None)


def _version_at(project: Project, name: str) -> DatasetVersion:
    """Everything about a version, from the files of its commit."""
    sha = git(project.root, "rev-list", "-n", "1", name).strip()
    archive = git_bytes(project.root, "archive", "--format=tar", sha, "data/batches", "data/accepted.dvc")
    verdicts: list[Verdict] = []
    dvc_hash = ""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                verdicts.append(Verdict.model_validate_json(file.read()))
            elif file is not None:
                dvc_hash = _dvc_hash(file.read())
    accepted = sorted(
        (verdict for verdict in verdicts if verdict.accepted_file is not None),
        key=lambda verdict: (verdict.manifest.seen_at, verdict.manifest.batch),
    )
    labelled: dict[str, int] = {}
    for verdict in accepted:
        for label, count in verdict.labelled.items():
            labelled[label] = labelled.get(label, 0) + count
    return DatasetVersion(
        name=name,
        dvc_hash=dvc_hash,
        git_commit=sha,
        batches=tuple(verdict.manifest.batch for verdict in accepted),
        rows=sum(verdict.rows_accepted for verdict in accepted),
        labelled=labelled,
    )


def _dvc_hash(pointer: bytes) -> str:
    return str(yaml.safe_load(pointer)["outs"][0]["md5"])
