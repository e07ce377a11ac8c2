"""What the estimators take as labels: classes or values, and a row without one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd

from ssgan.errors import InputError
from ssgan.learn.cells import ABSENT, EXACT, is_missing
from ssgan.learn.reading import numbers, shown

MEANT = ("", "-1")  # texts that a person writes where there is no label; others were probably made by a conversion
_NONE = ABSENT | {"-1", "-1.0"}
_TYPES = (str, int, float, np.integer, np.floating, np.bool_)


def class_labels(y: np.ndarray, tell: Callable[[str], None]) -> tuple[np.ndarray, np.ndarray]:
    """Labels of any kind -> the classes, sorted, and int64 [n] places among them, -1 where a row has no label.

    Args:
        y: objects [n]; bytes are read as UTF-8.
        tell: hears of words that were taken for no label.

    Raises:
        InputError: if fewer than two classes have a label, or labels are not classes.
    """
    known, names = known_classes(y)
    _tell_words(y, _NONE, tell)
    classes, codes = np.unique(names, return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            f"at least two classes must have a labelled row; y has {len(classes)} class, {int(known.sum())} labelled "
            f"rows of {len(y)} (-1, NaN, None and '' mean unlabelled, and so do words such as 'NA'): label more rows"
        )
    places = np.full(len(y), -1, np.int64)
    places[known] = codes
    return classes, places


def known_classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have a label, bool [n], and those labels [m], all text or all whole numbers.

    Raises:
        InputError: if labels are of another type, or mix words and numbers.
    """
    labels = [_text(each) for each in y.tolist()]
    known = np.array([not _unlabelled(each) for each in labels], bool)
    found = [each for each, has in zip(labels, known, strict=True) if has]
    held = sorted({type(each).__name__ for each in found})
    if not all(isinstance(each, _TYPES) and not isinstance(each, np.timedelta64) for each in found):
        raise InputError(
            f"Unknown label type: a label must be a word or a whole number; y holds {', '.join(held)}: write its "
            "classes as text"
        )
    if len({isinstance(each, str) for each in found}) > 1:
        raise InputError(f"Unknown label type: labels must be all words or all numbers; y mixes {', '.join(held)}")
    names = np.asarray(found)
    if names.dtype.kind in "fO" and len(names):  # NaN beside 0 and 1 makes floats of them
        names = _whole(names)
    return known, names


def _whole(names: np.ndarray) -> np.ndarray:
    """Floats, or numbers too large for numpy, as int64."""
    if names.dtype.kind == "f":
        if not np.isfinite(names).all():
            raise InputError("Input y contains infinity, which is not a class: mend it, or leave the row unlabelled")
        if not np.equal(names, np.round(names)).all():
            raise InputError("Unknown label type: continuous; y holds fractions: use SSGANRegressor, or name classes")
    largest = max(names.tolist(), key=abs)
    if abs(largest) >= EXACT:
        raise InputError(
            f"Unknown label type: a label that is a number must be below {EXACT:.0f}, from where floats skip some; y "
            f"holds {largest:.6g}: write its classes as text"
        )
    return names.astype(np.int64)


def places_among(classes: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Labels -> int64 [n] places among the classes of a fit, -1 where a row has no label.

    Raises:
        InputError: if a label is none of them, or no row has one.
    """
    known = {each: place for place, each in enumerate(classes.tolist())}
    places = np.full(len(y), -1, np.int64)
    for row, label in enumerate(map(_text, y.tolist())):
        if not _unlabelled(label):
            if label not in known:
                raise InputError(f"validation labels must be classes of y, {list(known)[:10]}; one is {label!r}")
            places[row] = known[label]
    if (places < 0).all():
        raise InputError(f"validation needs a labelled row; none of its {len(y)} rows has a label")
    return places


def value_labels(y: np.ndarray, tell: Callable[[str], None] = lambda _: None) -> np.ndarray:
    """Labels -> float64 [n], NaN where a row has none.

    Args:
        y: objects [n].
        tell: hears of words that were taken for no label.

    Raises:
        InputError: if none is a number, or one is infinite or not a number.
    """
    values, odd = numbers(pd.Series(y, dtype=object))
    if odd:
        raise InputError(f"y must hold numbers, NaN or None; it holds {shown(odd)}: mend it, or leave it out")
    if np.isinf(values).any():
        raise InputError("y must hold finite numbers; Input y contains infinity: mend it, or leave the row unlabelled")
    if np.isnan(values).all():
        raise InputError("y must hold at least one finite number; all are missing: label some rows")
    _tell_words(y, ABSENT, tell)
    return values


def group_names(groups: np.ndarray) -> np.ndarray:
    """What rows belong to -> str [n]; a row whose group is missing belongs to none but its own."""
    gone = ("", "nan", "NaN", "NaT", "None", "<NA>")  # what becomes of a missing one in an array of text
    names = [
        f"\0{row}" if is_missing(each) or (isinstance(each, str) and each.strip() in gone) else str(each)
        for row, each in enumerate(groups.tolist())
    ]
    return np.asarray(names, str)


def _text(label: Any) -> Any:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else label


def _unlabelled(label: Any) -> bool:
    if isinstance(label, str):
        return label.strip() in _NONE
    return is_missing(label) or bool(np.isscalar(label) and label == -1)


def _tell_words(y: np.ndarray, none: Collection[str], tell: Callable[[str], None]) -> None:
    """Says once how many labels are words that mean no label."""
    words = (each for each in map(_text, y.tolist()) if isinstance(each, str) and each not in MEANT)
    taken = [word for word in words if word.strip() in none]
    if taken:
        tell(
            f"{len(taken)} labels of {len(y)} are words that mean no label, such as {shown(taken)}: these rows are "
            "taken for unlabelled"
        )
