"""Whether images are drawings, such as digits and letters in ink, or photographs: they bear different changes."""

from __future__ import annotations

import numpy as np

from ssgan.config import Content
from ssgan.learn.looks import plain

PLAIN = 0.75  # share of plain pixels: of written digits 0.9, of house numbers in grey almost none
LOOKED_AT = 500  # images, and up to twice as many


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
    return "drawing" if np.median(plain(some)) >= PLAIN else "photograph"
