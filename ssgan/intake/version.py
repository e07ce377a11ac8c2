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
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from ssgan.errors import BusyError, ProjectError, ToolError, UserError
from ssgan.intake.command import LAST_LINES, OnLine, git, git_bytes, remove_stale_locks, run
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
PATIENCE = 60.0  # seconds for another DVC process to end
_STORAGE = (  # what the system says when it cannot write, and what a person should read
    ("No space left on device", "the disk is full; free some space and run the same command again: no data is lost"),
    ("Read-only file system", "the project lies on a read-only file system; make it writable and run it again"),
    (
        "Permission denied",
        "a file of the project or its remote may not be written; mend its permissions and run again",
    ),
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
    "/models/trained",
    "/models/ssgan",
    "/models/twin",
    "/models/winner",
    "/reports/baselines.npz",
    "/reports/judged.npz",
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
    git(project.root, "config", "--local", "core.fsync", "all")  # a commit outlives a power cut
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
    """Runs DVC in a process of its own and returns its lines; waits for another DVC that holds what it needs.

    Raises:
        BusyError: if that other DVC does not end within a minute.
        UserError: if a stage ended with a user's mistake; with the sentence that it said.
        ToolError: if DVC failed otherwise; with its last lines.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        code, lines = run([sys.executable, "-m", "dvc", *args], project.root, on_line)
        if code == 0:
            return lines
        failure = _failure(args, code, lines)
        if not isinstance(failure, BusyError) or time.monotonic() > deadline:
            raise failure
        say(f"another DVC process is working on {project.root.name}; waiting for it")
        time.sleep(1)


def _failure(args: Sequence[str], code: int, lines: Sequence[str]) -> Exception:
    text = "\n".join(lines)
    if "Unable to acquire lock" in text or "is busy, it is being blocked by" in text:
        return BusyError("another DVC process is working on this project; wait until it has ended")
    for found, sentence in _STORAGE:
        if found in text:
            return UserError(sentence)
    if args[0] in ("push", "pull", "fetch"):
        reason = next((line for line in reversed(lines) if line.startswith("ERROR")), "it gave no reason")
        return UserError(
            f"the DVC remote does not answer ({' '.join(reason.removeprefix('ERROR:').split())[:200]}); "
            "nothing that was accepted is lost: mend the remote and run the same command again"
        )
    said = [line.removeprefix("ssgan: ") for line in lines if line.startswith("ssgan: ")]
    exited = re.search(r"exited with (\d+)", text)
    if said and (exited is None or int(exited[1]) == UserError.exit_code):
        return UserError(said[-1])
    return ToolError(f"`dvc {' '.join(args)}` failed with {code}; its last lines:\n" + "\n".join(lines[-LAST_LINES:]))


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
        if pointer.is_file() and _outs(pointer) is None:  # cut short while it was written
            pointer.unlink()
    names = [folder.relative_to(project.root).as_posix() for folder in tracked]
    run_dvc(project, "add", "--quiet", *names)
    if [True for pointer, folder in zip(pointers, tracked, strict=True) if _forget_damaged(project, pointer, folder)]:
        run_dvc(project, "add", "--quiet", *names)
    verdicts = sorted((*project.batches.glob("*.json"), *project.batches.glob("*.html")))
    commit(project, [*pointers, *verdicts, project.contract], message)
    push(project, *(pointer.relative_to(project.root).as_posix() for pointer in pointers))
    before, here = current_version(project), _version_at(project, "HEAD")
    if before is None or (before.dvc_hash, before.batches) != (here.dvc_hash, here.batches):
        taken = [int(name.removeprefix(TAG)) for name in tags(project)]
        git(project.root, "tag", f"{TAG}{max(taken, default=0) + 1}")
    after = current_version(project)
    if after is None:
        raise ToolError("git does not show the tag it has just made; look at `git tag --list`")
    return after


def _forget_damaged(project: Project, pointer: Path, folder: Path) -> bool:
    """Removes from DVC's cache what is shorter than the file it was made of, as after a power cut; whether any was."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    damaged = []
    for name, md5 in listed(project, str((_outs(pointer) or {}).get("md5", ""))).items():
        cached = cached_file(project, md5)
        if name in sizes and cached.is_file() and cached.stat().st_size != sizes[name]:
            damaged.append(cached)
    for cached in damaged:
        cached.chmod(0o644)
        cached.unlink()
    return bool(damaged)


def cached_file(project: Project, md5: str) -> Path:
    """Where DVC's cache holds the content with this hash."""
    return project.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def listed(project: Project, md5: str) -> dict[str, str]:
    """The files of a folder that DVC tracks, and the hash of each; nothing where the list is not in the cache."""
    path = cached_file(project, md5)
    if not md5 or not path.is_file():
        return {}
    try:
        return {each["relpath"]: each["md5"] for each in json.loads(path.read_text(encoding="utf-8"))}
    except ValueError:  # cut short
        path.chmod(0o644)
        path.unlink()
        return {}


def _outs(pointer: Path) -> dict[str, Any] | None:
    """What a `.dvc` file says about its folder; None if it is no such file."""
    try:
        content: dict[str, Any] = yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"][0]
        return content if {"md5", "path"} <= {*content} else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, IndexError):
        return None


def tags(project: Project) -> list[str]:
    """The names of all versions, oldest first."""
    return git(project.root, "tag", "--list", f"{TAG}[0-9]*", "--sort=version:refname").split()


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
            run_dvc(project, "fetch", "--quiet", "--all-tags", "data/accepted.dvc")
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
    run_dvc(project, "fetch", "--quiet", *pointers)
    run_dvc(project, "checkout", "--quiet", "--force", *pointers)
    gone = git(project.root, "ls-files", "--deleted", "--", "data").split("\n")
    for each in filter(None, gone):
        git(project.root, "rm", "--quiet", "--cached", "--", each)
    git(project.root, "commit", "--quiet", "--allow-empty", "--message", f"Restore the data of {name}", "--", "data")


def restore_file(project: Project, path: Path) -> bool:
    """Puts a damaged file back as the last commit has it; whether it has one."""
    name = path.relative_to(project.root).as_posix()
    known = bool(git(project.root, "ls-tree", "HEAD", "--", name, may_fail=True).strip())
    if known:
        git(project.root, "checkout", "--quiet", "HEAD", "--", name)
    return known


def clear_locks(project: Project) -> None:
    """Removes the lock files of a git that was killed; the caller holds the project's lock."""
    remove_stale_locks(project.root)


def has_content(project: Project) -> bool:
    """Whether DVC's cache holds the last version's files, so that a missing one was lost here and not left out."""
    lists = [_outs(project.root / f"data/{folder}.dvc") for folder in ("accepted", "quarantine")]
    return any(listed(project, str(each["md5"])) for each in lists if each is not None)


def restore_content(project: Project) -> None:
    """Puts damaged or missing files of the last version back, from DVC's cache or its remote."""
    pointers = [
        f"data/{folder}.dvc" for folder in ("accepted", "quarantine") if (project.root / f"data/{folder}.dvc").is_file()
    ]
    for pointer in pointers:
        if _outs(project.root / pointer) is None:
            restore_file(project, project.root / pointer)
    run_dvc(project, "fetch", "--quiet", *pointers)
    run_dvc(project, "checkout", "--quiet", "--force", *pointers)


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
