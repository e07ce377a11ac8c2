"""Versions of the accepted data: a commit with a tag `data-<n>`, made, read and put back."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from ssgan.errors import ToolError, UserError
from ssgan.intake.version.command import git, git_bytes, remove_stale_locks
from ssgan.intake.version.content import cached_file, forget_damaged, forget_damaged_copies, listed, outs
from ssgan.intake.version.dvc import push, quietly
from ssgan.intake.version.repository import commit
from ssgan.project import Project
from ssgan.records import DatasetVersion, Verdict

TAG = "data-"
_NEWEST = (f"--match={TAG}[0-9]*", f"--exclude={TAG}*[!0-9]*")  # a user's own tag may be data-2024-05-export


def accept_version(project: Project, message: str) -> DatasetVersion:
    """Makes a version of what lies in the data directories: DVC, commit, push, tag. May be done again after a crash.

    Args:
        project: Where the accepted Parquet, the quarantine and all verdicts are written already.
        message: Of the commit.

    Raises:
        UserError: if the remote or the disk does not take it; the last version stays as it is.
        ToolError: if DVC or git fails otherwise; likewise.
    """
    remove_stale_locks(project.root)
    tracked = [folder for folder in (project.accepted, project.quarantine) if folder.is_dir() and any(folder.iterdir())]
    pointers = [folder.with_name(f"{folder.name}.dvc") for folder in tracked]
    for pointer in pointers:
        if pointer.is_file() and outs(pointer) is None:  # cut short while it was written
            pointer.unlink()
    names = [folder.relative_to(project.root).as_posix() for folder in tracked]
    quietly(project, "add", *names)
    if [True for pointer, folder in zip(pointers, tracked, strict=True) if forget_damaged(project, pointer, folder)]:
        quietly(project, "add", *names)
    verdicts = sorted((*project.batches.glob("*.json"), *project.batches.glob("*.html")))
    commit(project, [*pointers, *verdicts, project.contract], message)
    _pushed(project, pointers)
    before, here = current_version(project), _version_at(project, "HEAD")
    if before is None or (before.dvc_hash, before.batches) != (here.dvc_hash, here.batches):
        taken = [int(name.removeprefix(TAG)) for name in tags(project)]
        git(project.root, "tag", f"{TAG}{max(taken, default=0) + 1}")
    after = current_version(project)
    if after is None:
        raise ToolError("git does not show the tag it has just made; look at `git tag --list`")
    return after


def _pushed(project: Project, pointers: Sequence[Path]) -> None:
    """Copies content to the remote, and looks whether it is there where that can be seen: DVC may say so of less."""
    names = [pointer.relative_to(project.root).as_posix() for pointer in pointers]
    for pointer in pointers:
        forget_damaged_copies(project, pointer)
    push(project, *names)
    if [True for pointer in pointers if forget_damaged_copies(project, pointer)]:
        push(project, *names)


def tags(project: Project) -> list[str]:
    """The names of all versions, oldest first; git's patterns let through tags of the user's that begin alike."""
    found = git(project.root, "tag", "--list", f"{TAG}[0-9]*", "--sort=version:refname").split()
    return [name for name in found if re.fullmatch(rf"{TAG}[0-9]+", name)]


def version_named(project: Project, name: str) -> DatasetVersion:
    """The version with that name.

    Raises:
        UserError: if there is none.
    """
    known = tags(project)
    if name not in known:
        raise UserError(f"there is no version {name!r} of the data; there are {', '.join(known[-8:]) or 'none yet'}")
    return _version_at(project, name)


def authored(project: Project, name: str) -> tuple[str, str]:
    """Who made a version, and when (ISO 8601)."""
    who, _, when = git(project.root, "log", "-1", "--format=%an%x00%aI", name).strip().partition("\0")
    return who, when


def verdicts_at(project: Project, name: str) -> list[Verdict]:
    """The verdicts of a version, accepted ones in their order."""
    return _files_at(project, name)[0]


def content_of(project: Project, name: str) -> dict[str, Path]:
    """The accepted files of a version and where DVC's cache holds each; fetches what is not there.

    Raises:
        UserError: if the remote does not have it either.
    """
    for fetched in (False, True):
        found = listed(project, _files_at(project, name)[1])
        paths = {file: cached_file(project, md5) for file, md5 in found.items()}
        if paths and all(path.is_file() for path in paths.values()):
            return paths
        if not fetched:
            quietly(project, "fetch", "--all-tags", "data/accepted.dvc")
    raise UserError(f"the content of {name} is neither here nor at the DVC remote; mend the remote and run it again")


def put_back(project: Project, name: str) -> None:
    """Makes the data directories and the verdicts what they were at a version; may be done again after a crash."""
    remove_stale_locks(project.root)
    wanted = [f"data/{folder}.dvc" for folder in ("accepted", "quarantine")]
    there = {*git(project.root, "ls-tree", "-r", "--name-only", name, "data").split("\n")}
    pointers = [path for path in wanted if path in there]
    kept = {path for path in there if path.startswith("data/batches/")}
    for path in project.batches.glob("*"):
        if path.relative_to(project.root).as_posix() not in kept:
            path.unlink()
    git(project.root, "checkout", "--quiet", name, "--", *pointers, *sorted(kept))
    if "data/quarantine.dvc" not in pointers:
        for path in project.quarantine.glob("*.parquet"):
            path.unlink()
        (project.quarantine.with_name("quarantine.dvc")).unlink(missing_ok=True)
    quietly(project, "fetch", *pointers)
    quietly(project, "checkout", "--force", *pointers)
    gone = git(project.root, "ls-files", "--deleted", "--", "data").split("\n")
    for each in filter(None, gone):
        git(project.root, "rm", "--quiet", "--cached", "--", each)
    git(project.root, "commit", "--quiet", "--allow-empty", "--message", f"Restore the data of {name}", "--", "data")


def message_of(verdict: Verdict) -> str:
    """The message of the commit that carries a verdict."""
    manifest = verdict.manifest
    verb = "Reject" if verdict.decision == "reject" else "Accept"
    return f"{verb} batch {manifest.batch}\n\n{verdict.sentence}"


def current_version(project: Project) -> DatasetVersion | None:
    """The newest version of the data behind the commit the project stands at, or None before the first."""
    name = git(project.root, "describe", "--tags", "--abbrev=0", *_NEWEST, may_fail=True).strip()
    if not name:
        return None
    return _version_at(project, name)


def trained_version(project: Project) -> DatasetVersion | None:
    """The version of the data that `prepare` last read, by `dvc.lock`; None if there is none yet."""
    lock = project.root / "dvc.lock"
    locked = yaml.safe_load(lock.read_text(encoding="utf-8")) if lock.is_file() else {"stages": {}}
    read = locked["stages"].get("prepare", {}).get("deps", ())
    wanted = next((dep["md5"] for dep in read if dep["path"] == "data/accepted"), None)
    versions = (_version_at(project, name) for name in reversed(tags(project)))
    return next((version for version in versions if version.dvc_hash == wanted), None)


def _version_at(project: Project, name: str) -> DatasetVersion:
    """Everything about a version, from the files of its commit."""
    verdicts, dvc_hash = _files_at(project, name)
    accepted = [verdict for verdict in verdicts if verdict.accepted_file is not None]
    labelled: dict[str, int] = {}
    for verdict in accepted:
        for label, count in verdict.labelled.items():
            labelled[label] = labelled.get(label, 0) + count
    return DatasetVersion(
        name=name,
        dvc_hash=dvc_hash,
        git_commit=git(project.root, "rev-list", "-n", "1", name).strip(),
        batches=tuple(verdict.manifest.batch for verdict in accepted),
        rows=sum(verdict.rows_accepted for verdict in accepted),
        labelled=labelled,
    )


def _files_at(project: Project, name: str) -> tuple[list[Verdict], str]:
    """The verdicts of a commit, in the order in which batches became data, and the hash of its accepted files."""
    archive = git_bytes(project.root, "archive", "--format=tar", name, "data/batches", "data/accepted.dvc")
    verdicts: list[Verdict] = []
    dvc_hash = ""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None and member.name.endswith(".json"):
                verdicts.append(Verdict.model_validate_json(file.read()))
            elif file is not None and member.name.endswith(".dvc"):
                dvc_hash = _dvc_hash(file.read())
    return sorted(verdicts, key=lambda each: (each.number, each.manifest.seen_at, each.manifest.batch)), dvc_hash


def _dvc_hash(pointer: bytes) -> str:
    return str(yaml.safe_load(pointer)["outs"][0]["md5"])
