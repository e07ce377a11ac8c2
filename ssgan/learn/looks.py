"""What an image looks like whatever it shows: its light, its contrast, its grain.

A broken sensor, a swapped ground or a file of another kind differs in them. The discriminator does not mind: it takes a
negative for as real as the image, and static for some class. Images are therefore held against the looks of the
training images as rows of a table are against their columns (`ranges.py`). Nothing here knows what is shown: a letter
among digits, drawn by the same pen, looks as they do.
"""

from __future__ import annotations

import math

import numpy as np

GROUND = 0.125  # of -1 .. 1: how far from black or white a value may be to count as plain
FAINT = 0.01  # contrast of an image that is as good as empty: its grain is not divided by less
AT_ONCE = 1024  # images


def plain(x: np.ndarray) -> np.ndarray:
    """The share of values that are nearly black or white, float64 [n] of images [n, ...] in [-1, 1]."""
    return _mean(1.0 - np.abs(x) <= GROUND)


def looks(x: np.ndarray) -> dict[str, np.ndarray]:
    """Measures images. An image has the same bits alone and among others.

    Args:
        x: encoded images [n, height, width, channels] in [-1, 1]; perhaps a memory map.

    Returns:
        Float64 [n] by name. `brightness`, the mean; `contrast`, the standard deviation; `detail`, the mean step from
        one pixel to the next, across and down; all of these in units where black is 0 and white 1. `grain`, detail over
        contrast; `black or white`, the share of values that are nearly so; and with channels `colour`, how far the
        strongest is above the weakest, in the mean of the pixels.
    """
    starts = range(0, max(len(x), 1), AT_ONCE)
    parts = [_measured((x[at : at + AT_ONCE].astype(np.float64) + 1.0) / 2.0) for at in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measured(light: np.ndarray) -> dict[str, np.ndarray]:
    """Of some images in 0 .. 1."""
    contrast = _flat(light).std(axis=1)
    detail = (_mean(np.abs(np.diff(light, axis=1))) + _mean(np.abs(np.diff(light, axis=2)))) / 2.0
    found = {
        "brightness": _mean(light),
        "contrast": contrast,
        "detail": detail,
        "grain": detail / np.maximum(contrast, FAINT),
        "black or white": plain(2.0 * light - 1.0),
    }
    return found if light.shape[-1] == 1 else found | {"colour": _mean(np.ptp(light, axis=-1))}


def _mean(values: np.ndarray) -> np.ndarray:
    """Over all but the first axis; [n]."""
    found: np.ndarray = _flat(values).mean(axis=1)
    return found


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), math.prod(values.shape[1:]))
