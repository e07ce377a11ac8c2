"""Checkpoints: the whole state of a training run, so that a run that was killed goes on as if it had not been.

Random numbers are functions of the seed and the step (`backend.Draws`), so weights, moments, averages, the step and the
history are all there is. A file is a line with the sha256 of the rest, then an npz; it is moved into place whole.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssgan.progress import say

KEPT = 2
SUFFIX = ".checkpoint"
UNFINISHED = f"{'[0-9a-f]' * 12}-{'[0-9]' * 10}.[0-9]*"  # being written: the process's number in place of the suffix


@dataclass(frozen=True)
class Saved:
    """A run after `step` steps."""

    step: int
    values: list[np.ndarray]  # of the state, in its order
    history: np.ndarray  # [calls so far, 1 + reported]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run; those that another has left in the folder neither serve it nor push its own out."""

    folder: Path
    run: str  # digest of knobs, data and backend

    def save(self, saved: Saved) -> None:
        """Adds a checkpoint, and drops all but the last two."""
        self.folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {f"value_{place}": value for place, value in enumerate(saved.values)}
        np.savez(buffer, run=np.array(self.run), step=np.array(saved.step), history=saved.history, **arrays)
        content = buffer.getvalue()
        path = self.folder / f"{self._prefix}{saved.step:010d}{SUFFIX}"
        fresh = path.with_suffix(f".{os.getpid()}")
        with fresh.open("wb") as handle:
            handle.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(path)
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)

    def latest(self) -> Saved | None:
        """The newest checkpoint of this run that is whole; a damaged one is named and passed over."""
        for path in reversed(self._files()):
            try:
                digest, content = path.read_bytes().split(b"\n", 1)
                whole = hashlib.sha256(content).hexdigest().encode() == digest
            except (OSError, ValueError):
                whole = False
            if not whole:
                say(f"train: the checkpoint {path.name} is damaged (its sha256 differs): it is passed over")
                continue
            saved = _read(content, self.run)
            if saved is not None:
                return saved
        return None

    def clear(self) -> None:
        """Removes them, those of runs that were given up, and what killed writers have left: the run is over."""
        for pattern in (f"*{SUFFIX}", UNFINISHED):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob(f"{self._prefix}*{SUFFIX}"))

    @property
    def _prefix(self) -> str:
        return f"{hashlib.sha256(self.run.encode()).hexdigest()[:12]}-"


def _read(content: bytes, run: str) -> Saved | None:
    """None if it is another run's."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            if str(stored["run"]) != run:
                return None
            count = sum(name.startswith("value_") for name in stored.files)
            values = [stored[f"value_{place}"] for place in range(count)]
            return Saved(int(stored["step"]), values, stored["history"])
    except (KeyError, ValueError, zipfile.BadZipFile):
        return None
