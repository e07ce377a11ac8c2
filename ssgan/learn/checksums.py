"""Lists of sha256 that stand beside the files of a stored model, and are checked before any of them is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from ssgan.errors import ArtefactError
from ssgan.records import write_atomically

AGAIN = "train again, or pull the model again"


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_list(folder: Path, name: str, files: Collection[str]) -> dict[str, str]:
    """Writes the list `name` over files of the folder, and returns it."""
    checksums = {each: sha256_of(folder / each) for each in sorted(files)}
    write_atomically(folder / name, json.dumps(checksums, indent=2) + "\n")
    return checksums


def verified(folder: Path, name: str, required: Collection[str], remedy: str = AGAIN) -> dict[str, str]:
    """The list `name`, every file of which is there and is what it was.

    Args:
        folder: of the model; nothing outside of it is read.
        name: of the list.
        required: files that it must have.
        remedy: what to do where something is wrong.

    Raises:
        ArtefactError: naming the file that is missing, damaged, or outside of the folder.
    """
    checksums = _read(folder / name, remedy)
    for each in sorted({*required, *checksums}):
        path = folder / require_plain(each)
        if not path.is_file():
            raise ArtefactError(f"{path} is missing: {remedy}")
        if checksums.get(each) != sha256_of(path):
            raise ArtefactError(f"{path} is not the file that was stored (its sha256 differs): {remedy}")
    return checksums


def require_plain(name: str) -> str:
    """The name of a file in a stored model's own folder.

    Raises:
        ArtefactError: if the name leads elsewhere.
    """
    if name in ("", ".", "..") or any(mark in name for mark in "/\\\0"):
        raise ArtefactError(
            f"a stored model's files lie in its own folder; {name[:80]!r} leads elsewhere: do not use it"
        )
    return name


def digest(checksums: Mapping[str, str]) -> str:
    """One sha256 over a list, whatever its order."""
    lines = "".join(f"{checksums[name]}  {name}\n" for name in sorted(checksums))
    return hashlib.sha256(lines.encode()).hexdigest()


def _read(path: Path, remedy: str) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ArtefactError(f"{path} is missing or damaged: {remedy}")
    return found
