"""Images moved, turned and stretched a little at random: what an image shows does not depend on that.

No image is mirrored unless a person says that it means the same: a mirrored digit is another sign. What a move would
leave empty is filled with the nearest pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from ssgan.learn.backend import Draws, Tensor, keras

ops = keras.ops

Moves = Callable[[Tensor], Tensor]


def moves(shift: int, warp: float, mirror: bool, draws: Draws) -> Moves:
    """Moves each image [n, height, width, channels] by itself; without `warp` by whole pixels.

    Args:
        shift: the most that an image is moved down or up, right or left, in pixels.
        warp: the most that an entry of the matrix that maps places to places is from the unit matrix's: 0.1 turns by up
            to six degrees, and stretches and shears by up to a tenth.
        mirror: every other image is turned left to right.
        draws: random numbers; none is drawn where nothing moves.
    """

    def moved(x: Tensor) -> Tensor:
        x = _mirrored(x, draws) if mirror else x
        if warp > 0:
            return _warped(x, shift, warp, draws)
        return _shifted(x, shift, draws) if shift > 0 else x

    return moved


class Stir(Protocol):
    """The knobs that say how far an unlabelled image is changed."""

    @property
    def shift(self) -> int: ...
    @property
    def warp(self) -> float: ...
    @property
    def mirror(self) -> bool: ...
    @property
    def stir(self) -> float: ...
    @property
    def cutout(self) -> float: ...
    @property
    def tint(self) -> float: ...


def stirs(knobs: Stir, draws: Draws) -> Moves:
    """What an unlabelled image goes through before the student sees it: the strong changes of FixMatch.

    Sohn et al. 2020 (arXiv:2001.07685), section 2.3: what the teacher says of the image as it is holds for the image
    after changes that would be too much for the few labelled ones.
    """
    moved = moves(round(knobs.stir * knobs.shift), knobs.stir * knobs.warp, knobs.mirror, draws)

    def stirred(x: Tensor) -> Tensor:
        x = moved(x)
        if knobs.tint > 0:
            x = _tinted(x, knobs.tint, draws)
        return _cut(x, knobs.cutout, draws) if knobs.cutout > 0 else x

    return stirred


def _tinted(x: Tensor, reach: float, draws: Draws) -> Tensor:
    """Each channel of each image in another light: x (1 + reach a) + reach b, a and b uniform in [-1, 1]."""
    numbers = draws.uniform((2, x.shape[0], 1, 1, x.shape[-1]), -reach, reach)
    return x * (1.0 + numbers[0]) + numbers[1]


def _cut(x: Tensor, side: float, draws: Draws) -> Tensor:
    """A square of that share of the image's side is mid grey (DeVries & Taylor 2017, arXiv:1708.04552)."""
    count, height, width, _ = x.shape
    centre = draws.uniform((2, count, 1, 1))
    reach = side / 2 * max(height, width)
    rows = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    columns = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
    away = ops.maximum(ops.abs(rows - height * centre[0]), ops.abs(columns - width * centre[1]))
    return x * ops.cast(away > reach, x.dtype)[..., None]


def _mirrored(x: Tensor, draws: Draws) -> Tensor:
    turned = draws.uniform((x.shape[0], 1, 1, 1)) < 0.5
    return ops.where(turned, ops.flip(x, axis=2), x)


def _shifted(x: Tensor, reach: int, draws: Draws) -> Tensor:
    count, height, width, channels = x.shape
    offsets = draws.integers((2, count, 1), 2 * reach + 1) - reach
    row = ops.clip(np.arange(height, dtype=np.int32) + offsets[0], 0, height - 1)  # [n, height]
    column = ops.clip(np.arange(width, dtype=np.int32) + offsets[1], 0, width - 1)
    return ops.take(ops.reshape(x, (-1, channels)), _places(row[:, :, None], column[:, None, :], x), axis=0)


def _warped(x: Tensor, shift: int, warp: float, draws: Draws) -> Tensor:
    """Bilinear between the four pixels round the place that a pixel comes from."""
    count, height, width, channels = x.shape
    numbers = draws.uniform((6, count, 1, 1), -1.0, 1.0)
    rows = np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)
    columns = np.arange(width, dtype=np.float32)[None, :] - np.float32((width - 1) / 2)
    row = rows + warp * (numbers[0] * rows + numbers[1] * columns) + shift * numbers[2] + (height - 1) / 2
    column = columns + warp * (numbers[3] * rows + numbers[4] * columns) + shift * numbers[5] + (width - 1) / 2
    row, column = ops.clip(row, 0.0, height - 1.0), ops.clip(column, 0.0, width - 1.0)
    top, left = ops.floor(row), ops.floor(column)
    down, right = (row - top)[..., None], (column - left)[..., None]
    below = ops.concatenate([x[:, 1:], x[:, -1:]], axis=1)
    pairs = ops.concatenate([x, below], axis=-1)
    fours = ops.concatenate([pairs, ops.concatenate([pairs[:, :, 1:], pairs[:, :, -1:]], axis=2)], axis=-1)
    place = _places(ops.cast(top, "int32"), ops.cast(left, "int32"), x)
    near = ops.take(ops.reshape(fours, (-1, 4 * channels)), place, axis=0)  # one look-up for all four
    near = near[..., : 2 * channels] * (1.0 - right) + near[..., 2 * channels :] * right
    return near[..., :channels] * (1.0 - down) + near[..., channels:] * down


def _places(row: Tensor, column: Tensor, x: Tensor) -> Tensor:
    """Places among all pixels of x, int32 [n, height, width]."""
    count, height, width, _ = x.shape
    image = np.arange(count, dtype=np.int32)[:, None, None]
    return (image * height + row) * width + column
