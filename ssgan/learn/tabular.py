"""What the estimators take, frames, arrays and images, as the encoder's columns; and what they take as labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from ssgan.contract import RESERVED, CategoryColumn, ClassLabel, Contract, ImageColumn, NumberColumn, ValueLabel
from ssgan.errors import DataError
from ssgan.learn.encode import Encoder

WORDS = 1000  # of a column, listed in the contract: the most frequent ones; the encoder has slots for fewer
IMAGE = "image"


class InputError(DataError, ValueError):
    """A `DataError` that scikit-learn takes for its own."""


@dataclass(frozen=True)
class Layout:
    """How X looks, fixed by the fit.

    Attributes:
        kinds: "number" or "word" per column; "image" alone.
        names: of the columns in the contract.
        shape: of X beyond its rows.
        whole: whether an image's pixels are whole numbers 0 .. 255, not 0 .. 1.
        framed: whether X was a frame.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    shape: tuple[int, ...]
    whole: bool = False
    framed: bool = False

    @classmethod
    def of(cls, X: Any) -> Self:
        """The layout of a frame, an array [n, columns], or images [n, height, width] or [n, height, width, channels].

        Raises:
            InputError: if X is none of these.
        """
        if not isinstance(X, pd.DataFrame) and X.ndim > 2:
            _check_image(X)
            whole = np.issubdtype(X.dtype, np.integer)
            return cls((IMAGE,), (IMAGE,), tuple(X.shape[1:]), bool(whole))
        frame = _frame(X)
        kinds = tuple("number" if _is_number(frame.iloc[:, at]) else "word" for at in range(frame.shape[1]))
        return cls(kinds, _names(frame), (frame.shape[1],), framed=isinstance(X, pd.DataFrame))

    def columns(self, X: Any) -> dict[str, np.ndarray]:
        """Raw columns of a table, as `Encoder.encode_columns` takes them."""
        frame = _frame(X)
        return {name: _column(frame.iloc[:, at], self.kinds[at]) for at, name in enumerate(self.names)}

    def encode(self, X: Any, encoder: Encoder) -> np.ndarray:
        """X as the networks see it, float32 [n, F] or [n, height, width, channels]."""
        if encoder.image is None:
            return encoder.encode_columns(self.columns(X))
        _check_image(X)
        if tuple(X.shape[1:]) != self.shape:
            raise InputError(f"images must be {self.shape} as in the fit; they are {tuple(X.shape[1:])}: resize them")
        scale = np.float32(127.5) if np.issubdtype(X.dtype, np.integer) else np.float32(0.5)
        x = X.astype(np.float32) / scale - np.float32(1.0)
        return np.asarray(x.reshape(len(x), *encoder.shape))

    def decode(self, x: np.ndarray, encoder: Encoder) -> Any:
        """Encoded rows in the form of X."""
        if encoder.image is not None:
            pixels = encoder.image.pixels(x).reshape(len(x), *self.shape)
            return pixels if self.whole else pixels.astype(np.float32) / 255
        frame = pd.DataFrame(encoder.decode_columns(x))
        return frame if self.framed else frame.to_numpy()

    def contract(self, X: Any, classes: Iterable[str] | None) -> Contract:
        """What the data themselves say: a type per column, and whether anything is missing.

        Args:
            X: of the fit.
            classes: their names; None for values.
        """
        label = "y"
        while label in self.names:
            label += "_"
        described: Mapping[str, Any]
        if self.kinds == (IMAGE,):
            height, width, channels = (*self.shape, 1)[:3]
            described = {IMAGE: ImageColumn(type="image", height=height, width=width, channels=_channels(channels))}
        else:
            described = {name: _described(values) for name, values in self.columns(X).items()}
        task: Literal["classification", "regression"] = "regression" if classes is None else "classification"
        about = ValueLabel(column=label) if classes is None else ClassLabel(column=label, classes=tuple(classes))
        return Contract(name="data", task=task, label=about, columns=dict(described))


def class_labels(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels of any kind -> the classes, sorted, and int64 [n] places among them, -1 where a row has no label.

    Raises:
        InputError: if fewer than two classes have a label, or labels are not classes.
    """
    labels = np.asarray(y, object).ravel()
    known = np.array([not _unlabelled(each) for each in labels], bool)
    kinds = {type(each).__name__ for each in labels[known]}
    if any(isinstance(each, (list, tuple, dict, set, np.ndarray)) for each in labels[known]):
        raise InputError(f"Unknown label type: a label must be a word or a whole number; y holds {', '.join(kinds)}")
    numbers = [isinstance(each, (int, float, np.number, np.bool_)) for each in labels[known]]
    if any(numbers) and not all(numbers):
        raise InputError(f"Unknown label type: labels must be all words or all numbers; y mixes {', '.join(kinds)}")
    classes, codes = np.unique(np.asarray(labels[known].tolist()), return_inverse=True)
    if np.issubdtype(classes.dtype, np.floating):  # NaN beside 0 and 1 makes floats of them
        if not np.isfinite(classes).all():
            raise InputError("Input y contains infinity, which is not a class: mend it, or leave the row unlabelled")
        if not np.equal(classes, np.round(classes)).all():
            raise InputError("Unknown label type: continuous; y holds fractions: use SSGANRegressor, or name classes")
        classes = classes.astype(np.int64)
    if len(classes) < 2:
        raise InputError(
            f"at least two classes must have a labelled row; y has {len(classes)} class, "
            f"{int(known.sum())} labelled rows of {len(labels)} (-1, NaN, None and '' mean unlabelled): label more rows"
        )
    places = np.full(len(labels), -1, np.int64)
    places[known] = codes
    return classes, places


def places_among(classes: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Labels -> int64 [n] places among the classes of a fit, -1 where a row has no label.

    Raises:
        InputError: if a label is none of them, or no row has one.
    """
    known = {each: place for place, each in enumerate(classes.tolist())}
    places = np.full(len(y), -1, np.int64)
    for row, label in enumerate(y.tolist()):
        if not _unlabelled(label):
            if label not in known:
                raise InputError(f"validation labels must be classes of y, {list(known)[:10]}; one is {label!r}")
            places[row] = known[label]
    if (places < 0).all():
        raise InputError(f"validation needs a labelled row; none of its {len(y)} rows has a label")
    return places


def value_labels(y: Any) -> np.ndarray:
    """Labels -> float64 [n], NaN where a row has none.

    Raises:
        InputError: if none is a number, or one is infinite or not a number.
    """
    try:
        values = np.asarray(pd.to_numeric(pd.Series(np.asarray(y, object).ravel())), np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"y must hold numbers, NaN or None: {error}") from None
    if np.isinf(values).any():
        raise InputError("y must hold finite numbers; Input y contains infinity: mend it, or leave the row unlabelled")
    if np.isnan(values).all():
        raise InputError("y must hold at least one finite number; all are missing: label some rows")
    return values


def _unlabelled(label: Any) -> bool:
    if label is None or label is pd.NA or label is pd.NaT:
        return True
    if isinstance(label, str):
        return label in ("", "-1")
    return bool(np.isscalar(label) and (label != label or label == -1))


def _frame(X: Any) -> pd.DataFrame:
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X).infer_objects()


def _names(frame: pd.DataFrame) -> tuple[str, ...]:
    given = [name for name in frame.columns if isinstance(name, str) and name not in RESERVED]
    usable = len(set(given)) == len(frame.columns)
    return tuple(given) if usable else tuple(f"x{place}" for place in range(len(frame.columns)))


def _is_number(series: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)


def _column(series: pd.Series[Any], kind: str) -> np.ndarray:
    """float64 with NaN for numbers, objects with None for words."""
    if kind == "word":
        words = series.astype(object).where(series.notna(), None)
        return np.array([None if word is None else str(word) for word in words], object)
    try:
        values: np.ndarray = pd.to_numeric(series).to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InputError(f"column {series.name!r} must hold numbers as in the fit: {error}") from None
    if np.isinf(values).any():
        raise InputError(f"X must be finite or missing; column {series.name!r} holds an infinite number: mend it")
    return values


def _described(values: np.ndarray) -> NumberColumn | CategoryColumn:
    if values.dtype == np.float64:
        return NumberColumn(nullable=bool(np.isnan(values).any()))
    counts = Counter(word for word in values.tolist() if word is not None)
    words = sorted(word for word, _ in counts.most_common(WORDS))
    return CategoryColumn(type="category", values=tuple(words) or ("",), nullable=any(word is None for word in values))


def _check_image(X: Any) -> None:
    shape = (*np.shape(X), 1)[:4]
    if not 3 <= np.ndim(X) <= 4 or shape[3] not in (1, 3) or not all(8 <= side <= 64 for side in shape[1:3]):
        raise InputError(
            "X must be a table [rows, columns], or images [rows, height, width] or [rows, height, width, 1 or 3] of "
            f"8 to 64 pixels; it has {np.ndim(X)} dimensions, {np.shape(X)}"
        )
    top = 255 if np.issubdtype(X.dtype, np.integer) else 1
    if not np.issubdtype(X.dtype, np.number) or not (X.min() >= 0 and X.max() <= top):  # NaN is refused too
        raise InputError("pixels must be whole numbers 0 .. 255 or fractions 0 .. 1, none missing: rescale the images")


def _channels(count: int) -> Literal[1, 3]:
    return 1 if count == 1 else 3
