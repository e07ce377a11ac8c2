"""A clean clone of a project as it was at a commit: the part of the door to DVC and git that looks back."""

from __future__ import annotations

import configparser
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ssgan.errors import ToolError, UserError
from ssgan.intake.version.command import git
from ssgan.intake.version.content import cached_file, listed
from ssgan.intake.version.dvc import quietly
from ssgan.intake.version.versions import TAG, tags, version_named
from ssgan.project import Project

_LOCK, _EVALUATION = "dvc.lock", "reports/evaluation.json"
_DIGITS = 6  # of a digest or a commit, at least


@dataclass(frozen=True)
class Recorded:
    """What a version is, and where its results were recorded."""

    name: str
    commit: str
    trained: bool  # False: a version of the data that no model was trained on


def recorded(project: Project, version: str) -> Recorded:
    """Finds the commit that holds what came out of a version.

    Args:
        project: Where.
        version: of the data (`data-2`): its last training; of a model: its tag (`ssgan-mine:0a1b2c3d4e5f`) or the start
            of its digest.

    Raises:
        UserError: if there is no such version, with the known ones.
    """
    if re.fullmatch(rf"{TAG}[0-9]+", version):
        made = version_named(project, version)
        commit = next((each for each in _commits(project, _LOCK) if _data_at(project, each) == made.dvc_hash), None)
        return Recorded(version, commit or made.git_commit, commit is not None)
    digest = version.partition(":")[2] or version
    if re.fullmatch(rf"[0-9a-f]{{{_DIGITS},64}}", digest):
        for commit in _commits(project, _EVALUATION):
            if digest in (model[: len(digest)] for model in _models_at(project, commit)):
                return Recorded(version, commit, True)
    known = ", ".join(tags(project)[-8:]) or "none yet"
    raise UserError(
        f"there is no version {version!r}; versions of the data: {known}; a model is named by its tag or its digest"
    )


def clone_at(project: Project, commit: str, folder: Path) -> Project:
    """Clones the project into a new folder, at a commit, with the settings that lead to its DVC remotes."""
    git(project.root, "clone", "--quiet", "--no-checkout", "--no-hardlinks", str(project.root), str(folder))
    git(folder, "checkout", "--quiet", "--detach", commit)
    settings = _leading_to_remotes(project.root / ".dvc", folder / ".dvc" / "config")
    with (folder / ".dvc" / "config.local").open("w", encoding="utf-8") as file:
        settings.write(file)
    return Project(folder.resolve())


def _leading_to_remotes(here: Path, committed: Path) -> configparser.RawConfigParser:
    """What a clone's `config.local` says: the local settings of the project, and where each remote lies, in full.

    Which remote is the default, the commit says; where it lies, the project as it is now, for it may have been moved.
    """
    settings = configparser.RawConfigParser()
    settings.read([committed, here / "config"], encoding="utf-8")
    for section in settings.sections():
        if not settings.has_option(section, "url"):
            settings.remove_section(section)
    settings.read(here / "config.local", encoding="utf-8")
    for section in settings.sections():
        if settings.has_option(section, "url"):
            settings.set(section, "url", _in_full(settings.get(section, "url"), here))
    return settings


def _in_full(url: str, here: Path) -> str:
    """A directory seen from anywhere; DVC takes a relative one from the folder of the file that says it."""
    quote = url[:1] if url[:1] in ("'", '"') else ""  # where it holds a comma or a #
    path = url.strip(quote) if quote else url
    return url if "://" in path else f"{quote}{(here / path).resolve()}{quote}"


def pull(project: Project, trained: bool) -> None:
    """Fetches the content from the DVC remote: all of it, or the data alone.

    Raises:
        UserError: if the remote does not have it.
    """
    quietly(project, "pull", *([] if trained else _pointers(project)))


def damaged_data(project: Project) -> tuple[int, list[str]]:
    """How many files of data there are, and which of them are not what their pointer says."""
    count, damaged = 0, []
    for pointer in _pointers(project):
        out = yaml.safe_load((project.root / pointer).read_text(encoding="utf-8"))["outs"][0]
        for name, md5 in listed(project, str(out["md5"])).items():
            path = project.root / "data" / out["path"] / name
            count += 1
            if not path.is_file() or _md5(path) != md5:
                damaged.append(path.relative_to(project.root).as_posix())
        if not cached_file(project, str(out["md5"])).is_file():
            raise ToolError(f"DVC pulled {pointer} without the list of its files; run `dvc pull` in {project.root}")
    return count, damaged


def _pointers(project: Project) -> list[str]:
    found = sorted((project.root / "data").glob("*.dvc"))
    return [path.relative_to(project.root).as_posix() for path in found]


def _commits(project: Project, path: str) -> Iterator[str]:
    """Commits that changed a file, newest first, on any branch or tag."""
    yield from git(project.root, "log", "--all", "--format=%H", "--", path).split()


def _data_at(project: Project, commit: str) -> str | None:
    """The hash of the data that the stages of a commit had read."""
    text = git(project.root, "show", f"{commit}:{_LOCK}", may_fail=True)
    read = (yaml.safe_load(text) or {}).get("stages", {}).get("prepare", {}).get("deps", ()) if text else ()
    return next((dep["md5"] for dep in read if dep["path"] == "data/accepted"), None)


def _models_at(project: Project, commit: str) -> list[str]:
    """Digests of the models that a commit judged or put into service."""
    found = []
    for path, key in ((_EVALUATION, "model"), ("reports/gate.json", "challenger")):
        text = git(project.root, "show", f"{commit}:{path}", may_fail=True)
        found += [str(json.loads(text).get(key, ""))] if text else []
    return found


def _md5(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
