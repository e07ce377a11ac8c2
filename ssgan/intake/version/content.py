"""Content of the data directories in DVC's cache: what is there, what was cut short, and putting it back."""

from __future__ import annotations

import json
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
    """Removes from DVC's cache what is shorter than the file it was made of, as after a power cut; whether any was."""
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    damaged = []
    for name, md5 in listed(project, str((outs(pointer) or {}).get("md5", ""))).items():
        cached = cached_file(project, md5)
        if name in sizes and cached.is_file() and cached.stat().st_size != sizes[name]:
            damaged.append(cached)
    for cached in damaged:
        cached.chmod(0o644)
        cached.unlink()
    return bool(damaged)


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
