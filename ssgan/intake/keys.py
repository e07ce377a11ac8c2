"""64-bit keys of texts and rows, vectorised: equal content has equal keys, and different content nearly always others.

A multilinear hash: each byte times a random number of its place, summed modulo 2^64. Two different texts share a key
with a probability of at most 2^-56 (their bytes differ by less than 2^8), so in 10^6 rows one pair does once in 10^5
batches. Where rows would be merged on the strength of a key, their texts are compared too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.intake.cells import LONGEST_CELL, Floats, Mask

Keys = npt.NDArray[np.uint64]

NOTHING = np.uint64(0)  # the key of what is missing
_ROWS = 1 << 15  # texts at once, which bounds the memory
_KEYS = 1 << 20  # keys at once, likewise
_PLACES = np.random.default_rng(20_240_229).integers(0, 2**64, LONGEST_CELL * 4 + 1, np.uint64) | np.uint64(1)


def text_keys(column: pa.Array) -> Keys:
    """One key per text [n]; the same in every process and on every machine."""
    keys = np.empty(len(column), np.uint64)
    column = column.cast(pa.binary())
    for start in range(0, len(column), _ROWS):
        keys[start : start + _ROWS] = _some_keys(column.slice(start, _ROWS))
    if column.null_count:
        keys[pc.is_null(column).to_numpy(zero_copy_only=False)] = NOTHING
    return keys


def _some_keys(column: pa.Array) -> Keys:
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    offsets = offsets.astype(np.int64)
    lengths = np.diff(offsets)
    content = column.buffers()[2]
    if content is None or offsets[-1] == offsets[0]:
        return _mixed(np.zeros(len(column), np.uint64))
    data = np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]].astype(np.uint64)
    starts = offsets[:-1] - offsets[0]
    places = (np.arange(len(data)) - np.repeat(starts, lengths)) % len(_PLACES)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((data + np.uint64(1)) * _PLACES[places], dtype=np.uint64)])
    return _mixed(sums[starts + lengths] - sums[starts])


def _mixed(keys: Keys) -> Keys:
    """Spreads the bits, so that the low ones are as random as the high ones; no two keys become one."""
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    keys = (keys ^ (keys >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return keys ^ (keys >> np.uint64(33))


def near_keys(columns: Sequence[pa.Array]) -> Keys:
    """One key per row [n] of numbers to three digits and words: rows that differ by less may have the same key."""
    rows = np.zeros(len(columns[0]), np.uint64)
    for place, column in enumerate(columns):
        if pa.types.is_floating(column.type):
            part = _rounded(column.to_numpy(zero_copy_only=False)).view(np.uint64)
        else:
            part = text_keys(column)
        rows += _mixed(part) * _PLACES[place % len(_PLACES)]
    return _mixed(rows)


def _rounded(values: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        step = 10.0 ** (np.floor(np.log10(np.abs(values))) - 2)
        rounded = np.rint(values / step) * step
    return np.where(np.isnan(values), np.nan, np.where(values == 0, 0.0, rounded)).astype(np.float64)


def row_order(rows: npt.NDArray[np.int64]) -> Keys:
    """A random number of each row of a file, by which samples are drawn that do not depend on how it is divided."""
    return _mixed(rows.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15))


def among(keys: Keys, known: Keys) -> Mask:
    """Which keys are among the known ones, which are in ascending order."""
    if not len(known):
        return np.zeros(len(keys), bool)
    found = np.empty(len(keys), bool)
    for start in range(0, len(keys), _KEYS):
        some = keys[start : start + _KEYS]
        places = np.searchsorted(known, some)
        found[start : start + _KEYS] = known[np.minimum(places, len(known) - 1)] == some
    return found
