"""The git side of a project: it becomes a repository, and exactly the named files are committed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ssgan.errors import ProjectError, ToolError
from ssgan.intake.version.command import git, remove_stale_locks
from ssgan.intake.version.dvc import quietly
from ssgan.project import Project

REMOTE = "remote"  # the default DVC remote, inside the project's runtime directory
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
    "!/.dvc",  # these DVC does not touch where git ignores them, as the user may have it do in every repository
    "!/data/",
    "!/data/*.dvc",
    "!/dvc.yaml",
    "!/dvc.lock",
    "/.ssgan",
    "/keys.txt",
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
    "/dvc_plots",
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
    ignore = project.root / ".gitignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    ignore.write_text("\n".join(dict.fromkeys([*lines, *_IGNORED])) + "\n", encoding="utf-8")
    if not (project.root / ".dvc").is_dir():
        quietly(project, "init")
        _write_config(project, remote)
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


def head(project: Project) -> str:
    """The commit the project stands at, in full."""
    return git(project.root, "rev-parse", "HEAD").strip()


def commit(project: Project, paths: Sequence[Path], message: str) -> str | None:
    """Commits exactly these files, whatever else is changed or staged, and whatever the user has git ignore.

    Returns:
        The new commit, or None if none of the files had changed.

    Raises:
        ProjectError: if the project is not a git repository of its own.
    """
    _require_own(project)
    names = [path.relative_to(project.root).as_posix() for path in paths if path.exists()]
    if not names:
        return None
    git(project.root, "add", "--force", "--", *names)
    if not git(project.root, "diff", "--cached", "--name-only", "--", *names).strip():
        return None
    git(project.root, "commit", "--quiet", "--message", message, "--", *names)
    return head(project)


def is_committed(project: Project, paths: Sequence[Path]) -> bool:
    """Whether a commit of these files would hold nothing."""
    names = [path.relative_to(project.root).as_posix() for path in paths if path.exists()]
    return not git(project.root, "status", "--porcelain", "--untracked-files=all", "--", *names).strip()


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
    except ToolError as error:  # git may be missing, or find the repository damaged: its own words say so
        if "not a git repository" not in str(error):
            raise
        top = ""
    if not top or Path(top).resolve() != project.root.resolve():
        found = f"it lies in the one of {top}" if top else "there is none"
        raise ProjectError(f"{project.root} needs a git repository of its own, and {found}; make one with `ssgan init`")


def clear_locks(project: Project) -> None:
    """Removes the lock files of a git that was killed; the caller holds the project's lock."""
    remove_stale_locks(project.root)


def restore_file(project: Project, path: Path) -> bool:
    """Puts a damaged file back as the last commit has it; whether it has one."""
    name = path.relative_to(project.root).as_posix()
    known = bool(git(project.root, "ls-tree", "HEAD", "--", name, may_fail=True).strip())
    if known:
        git(project.root, "checkout", "--quiet", "HEAD", "--", name)
    return known
