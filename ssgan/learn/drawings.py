"""Whether images are drawings, such as digits and letters in ink, or photographs: they bear different changes."""

from __future__ import annotations

import numpy as np

from ssgan.config import Content

GROUND = 0.125  # of -1 .. 1: how far from black or white a pixel may be to count as plain
PLAIN = 0.75  # share of plain pixels: of written digits 0.9, of house numbers in grey almost none
LOOKED_AT = 500  # images


def content_of(x: np.ndarray) -> Content:
    """What most images look like; `train.content` may say otherwise.

    Args:
        x: encoded images [n, height, width, channels] in [-1, 1].

    Returns:
        "drawing" if the images are grey, and half of them or more are nearly black or white almost everywhere.
    """
    if x.shape[-1] != 1:
        return "photograph"
    some = x[:: max(1, len(x) // LOOKED_AT)]
    plain = (1.0 - np.abs(some) <= GROUND).reshape(len(some), -1).mean(axis=1)
    return "drawing" if np.median(plain) >= PLAIN else "photograph"
