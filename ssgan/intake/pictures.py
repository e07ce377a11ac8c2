"""Images in a column: PNG bytes of one fixed size."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

PNG = b"\x89PNG\r\n\x1a\n"  # the first bytes of every PNG
_CHANNELS = {"L": 1, "RGB": 3}
_MODES = {"L": "grey", "RGB": "colour", "RGBA": "see-through", "LA": "see-through", "P": "of a palette"}


def brightness(cell: object, shape: tuple[int, int, int]) -> npt.NDArray[np.float64] | None:
    """Brightness in 0..1 [height, width] or [height, width, 3], or None where the cell is no PNG of that shape."""
    return _open(cell, shape)[1]


def shape_of(cell: object) -> tuple[int, int, int] | None:
    """(height, width, channels) of a PNG, or None where the cell is none, or has other channels than 1 or 3."""
    return _open(cell, None)[0]


def in_words(cell: bytes | None) -> str:
    """What an image is, in a few words: its height and width if it is a PNG, and what else it has."""
    from PIL import Image

    if cell is None:
        return "no image"
    try:
        with Image.open(io.BytesIO(cell), formats=["PNG"]) as image:
            return f"{image.height}x{image.width}, {_MODES.get(image.mode, f'PNG mode {image.mode}')}"
    except unreadable():
        return f"no image that can be read, {len(cell)} bytes"


def unreadable() -> tuple[type[Exception], ...]:
    """What Pillow raises where bytes are no image that it can read; a function because Pillow is loaded late."""
    from PIL import Image

    return Image.DecompressionBombError, OSError, ValueError, SyntaxError, TypeError


def _open(
    cell: object, shape: tuple[int, int, int] | None
) -> tuple[tuple[int, int, int] | None, npt.NDArray[np.float64] | None]:
    from PIL import Image

    if not isinstance(cell, bytes):
        return None, None
    try:
        with Image.open(io.BytesIO(cell), formats=["PNG"]) as image:
            # The size stands in the header: a huge picture is refused before it is unpacked.
            found = (image.height, image.width, _CHANNELS.get(image.mode, 0))
            pixels = np.asarray(image, np.float64) / 255 if found == shape else None
    except unreadable():
        return None, None
    return (found if found[2] else None), pixels
