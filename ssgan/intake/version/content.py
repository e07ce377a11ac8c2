"""Content of the data directories in DVC's cache: what is there, what was cut short, and putting it back."""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ssgan.intake.version.dvc import quietly
from ssgan.intake.version.repository import restore_file
from ssgan.project import Project


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


def outs(pointer: Path) -> dict[str, Any] | None:
    """What a `.dvc` file says about its folder; None if it is no such file."""
    try:
        content: dict[str, Any] = yaml.safe_load(pointer.read_text(encoding="utf-8"))["outs"][0]
        return content if {"md5", "path"} <= {*content} else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, IndexError):
        return None


def forget_damaged(project: Project, pointer: Path, folder: Path) -> bool:
    """Removes from DVC's cache what is shorter than the file it was made of, as after a power cut.

    Returns:
        Whether anything is missing in the cache now, so that the folder must be added again.
    """
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    whole = _list_of(pointer)
    damaged = []
    for name, md5 in listed(project, whole).items():
        cached = cached_file(project, md5)
        if name in sizes and cached.is_file() and cached.stat().st_size != sizes[name]:
            damaged.append(cached)
    _remove(damaged)
    return bool(damaged) or not cached_file(project, whole).is_file()


def forget_damaged_copies(project: Project, pointer: Path) -> bool:
    """Removes from a remote that is a directory what is shorter than in DVC's cache, so that it is pushed again.

    With it goes the list of the folder, and so it does where files of it are missing: where the list is there, DVC
    takes all that it names for present.

    Returns:
        Whether anything has to be pushed; False of a remote that is no directory.
    """
    remote, whole = _remote_folder(project), _list_of(pointer)
    if remote is None:
        return False
    names = [*listed(project, whole).values(), whole]
    pairs = [(remote / "files" / "md5" / md5[:2] / md5[2:], cached_file(project, md5)) for md5 in names if md5]
    damaged = [
        copy
        for copy, cached in pairs
        if copy.is_file() and cached.is_file() and copy.stat().st_size != cached.stat().st_size
    ]
    lacking = [copy for copy, cached in pairs if cached.is_file() and not copy.is_file()]
    if damaged or lacking:
        _remove({*damaged, pairs[-1][0]})
    return bool(damaged or lacking)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_file():
            path.chmod(0o644)
            path.unlink()


def _list_of(pointer: Path) -> str:
    """The hash of the list of files that a `.dvc` file names."""
    return str((outs(pointer) or {}).get("md5", ""))


def _remote_folder(project: Project) -> Path | None:
    """Where the default remote lies, if it is a directory."""
    settings = configparser.RawConfigParser()
    settings.read([project.root / ".dvc" / name for name in ("config", "config.local")], encoding="utf-8")
    name = settings.get("core", "remote", fallback="")
    url = settings.get(f"'remote \"{name}\"'", "url", fallback="")
    return None if not url or "://" in url else (project.root / ".dvc" / url).resolve()


def has_content(project: Project) -> bool:
    """Whether DVC's cache holds the last version's files, so that a missing one was lost here and not left out."""
    lists = [outs(project.root / f"data/{folder}.dvc") for folder in ("accepted", "quarantine")]
    return any(listed(project, str(each["md5"])) for each in lists if each is not None)


def restore_content(project: Project) -> None:
    """Puts damaged or missing files of the last version back, from DVC's cache or its remote."""
    pointers = [
        f"data/{folder}.dvc" for folder in ("accepted", "quarantine") if (project.root / f"data/{folder}.dvc").is_file()
    ]
    for pointer in pointers:
        if outs(project.root / pointer) is None:
            restore_file(project, project.root / pointer)
    quietly(project, "fetch", *pointers)
    quietly(project, "checkout", "--force", *pointers)
