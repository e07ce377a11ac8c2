"""Numbers that lie far from all others: a slip of the hand, or a code such as 9999 for no value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FAR = 5  # times what the others span
_OTHERS_AT_LEAST = 5  # different numbers; fewer do not tell how far is far
_FEW, _SHARE_AT_MOST = 2, 0.1  # they are at most so many, or such a share of the different numbers


def far_from_the_rest(numbers: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(those that are, the rest) of finite numbers; only a hint, for a heavy tail may have one too.

    The widest gap parts them, and again among the rest, as a slip hides a smaller one.
    """
    rest = np.unique(numbers)
    total, far = len(rest), rest[:0]
    with np.errstate(over="ignore"):  # ends of opposite sign may be further apart than a float can say
        while len(rest) > _OTHERS_AT_LEAST:
            gaps = np.diff(rest)
            cut = int(gaps.argmax()) + 1
            few, many = sorted((rest[:cut], rest[cut:]), key=len)
            enough = len(many) >= _OTHERS_AT_LEAST and len(far) + len(few) <= max(_FEW, _SHARE_AT_MOST * total)
            if not enough or gaps[cut - 1] <= _FAR * (many[-1] - many[0]):
                break
            far, rest = np.union1d(far, few), many
    return far, rest


def told(far: NDArray[np.float64], rest: NDArray[np.float64]) -> str:
    """Both in words: `999 and 99999 lie far from the rest (-5 to 19)`."""
    named = [f"{value:g}" for value in far[:3]] + ([f"{len(far) - 3} more"] if len(far) > 3 else [])
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
    return f"{listed} {'lie' if len(far) > 1 else 'lies'} far from the rest ({rest[0]:g} to {rest[-1]:g})"
