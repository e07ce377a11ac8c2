"""Whether images are drawings, such as digits and letters in ink, or photographs: they bear different changes."""

from __future__ import annotations

from typing import Literal

import numpy as np

Content = Literal["photograph", "drawing"]

GROUND = 16 / 255  # how far from black or white a pixel may be to count as plain
PLAIN = 0.75  # share of plain pixels: of written digits 0.9, of house numbers in grey almost none
LOOKED_AT = 500  # images


def content_of(images: np.ndarray) -> Content:
    """What most images are, as a guess; a contract may say otherwise.

    Args:
        images: [n, height, width] or [n, height, width, channels], brightness in 0 .. 255 (whole numbers) or 0 .. 1.

    Returns:
        "drawing" if the images are grey, and half of them or more are nearly black or white almost everywhere.
    """
    if images.shape[3:] == (3,):
        return "photograph"
    some = images[:: max(1, len(images) // LOOKED_AT)]
    light = some / 255 if np.issubdtype(images.dtype, np.integer) else some
    plain = np.minimum(light, 1.0 - light) <= GROUND
    return "drawing" if np.median(plain.reshape(len(plain), -1).mean(axis=1)) >= PLAIN else "photograph"
