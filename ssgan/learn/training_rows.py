"""The encoded training rows in files, as `prepare` leaves them for `train` and the judge.

    x.npy      float32 [n, ...]: read into memory, or left in the file and mapped
    train.npz  y and id of each row; fold: number of each labelled one's, -1 for the others

Rows that are mapped are streamed in training (see `pool.py`), bit for bit as if they were held. They are not read from
Parquet: a step wants rows from anywhere, and a Parquet file gives whole groups of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from ssgan.learn.encode import Encoder

X, ABOUT = "x.npy", "train.npz"
HELD = 2**28  # bytes of x that are read into memory unless `train.rows` says otherwise
ROWS_AT_ONCE = 16_384  # encoded in memory at once


@dataclass(frozen=True)
class TrainingRows:
    """Rows, labels, and what is known of each."""

    x: np.ndarray  # float32 [n, F] or [n, height, width, channels]; perhaps a memory map
    y: np.ndarray  # int64 [n], -1 unlabelled; or float64 [n], NaN unlabelled
    fold: np.ndarray  # int64 [n]
    ids: np.ndarray  # str [n]

    @classmethod
    def read(cls, folder: Path, rows: Literal["held", "streamed"] | None = None) -> Self:
        """Reads what `write` left.

        Args:
            folder: `data/prepared`.
            rows: whether x is read into memory ("held") or mapped ("streamed"); None: by its size.
        """
        mapped = rows == "streamed" or (rows is None and (folder / X).stat().st_size > HELD)
        x = np.load(folder / X, mmap_mode="r" if mapped else None, allow_pickle=False)
        with np.load(folder / ABOUT, allow_pickle=False) as about:
            return cls(x, about["y"], about["fold"], about["id"])


def write(
    folder: Path,
    encoder: Encoder,
    columns: Mapping[str, np.ndarray],
    y: np.ndarray,
    fold: np.ndarray,
    ids: np.ndarray,
) -> None:
    """Encodes the rows some thousand at a time, so that they are never all in memory twice.

    Args:
        folder: where the files are written.
        encoder: fitted.
        columns: raw, as the encoder takes them.
        y, fold, ids: as in `TrainingRows`.
    """
    x = np.lib.format.open_memmap(folder / X, "w+", np.dtype(np.float32), (len(y), *encoder.shape))
    for at in range(0, len(y), ROWS_AT_ONCE):
        part = {name: values[at : at + ROWS_AT_ONCE] for name, values in columns.items()}
        x[at : at + ROWS_AT_ONCE] = encoder.encode_columns(part)
    x.flush()
    with (folder / ABOUT).open("wb") as handle:
        np.savez(handle, allow_pickle=False, y=y, id=ids, fold=fold)


def evenly(x: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly spaced; in memory."""
    return np.asarray(x[np.linspace(0, len(x) - 1, min(most, len(x))).astype(np.int64)])


def digest(folder: Path) -> str:
    """The sha256 of the rows and of what is known of them."""
    whole = hashlib.sha256()
    for name in (X, ABOUT):
        with (folder / name).open("rb") as handle:
            whole.update(hashlib.file_digest(handle, "sha256").digest())
    return whole.hexdigest()
