"""What the estimators take, frames, arrays and images, as the encoder's columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from ssgan.contract import RESERVED, CategoryColumn, ClassLabel, Contract, ImageColumn, NumberColumn, ValueLabel
from ssgan.errors import InputError
from ssgan.learn.encode import Encoder
from ssgan.learn.notices import WORDS
from ssgan.learn.reading import kind_of, read

IMAGE = "image"
BRIGHT = 64  # what the largest of all whole pixels is at least, if they are 0 .. 255


@dataclass(frozen=True)
class Layout:
    """How X looks, fixed by the fit.

    Attributes:
        kinds: per column, see `reading.py`; "image" alone.
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
    def of(cls, X: Any, tell: Callable[[str], None] = lambda _: None) -> Self:
        """The layout of a frame, an array [n, columns], or images [n, height, width] or [n, height, width, channels].

        Args:
            X: of the fit.
            tell: hears of columns that are nearly of numbers.

        Raises:
            InputError: if X is none of these.
        """
        if not isinstance(X, pd.DataFrame) and X.ndim > 2:
            _check_images(X)
            whole = np.issubdtype(X.dtype, np.integer)
            if whole and X.max() < BRIGHT:
                raise InputError(_dark(X))
            return cls((IMAGE,), (IMAGE,), tuple(X.shape[1:]), bool(whole))
        frame = frame_of(X)
        kinds = tuple(kind_of(frame.iloc[:, at], tell) for at in range(frame.shape[1]))
        return cls(kinds, _names(frame), (frame.shape[1],), framed=isinstance(X, pd.DataFrame))

    def columns(self, X: Any) -> dict[str, np.ndarray]:
        """Raw columns of a table, as `Encoder.encode_columns` takes them; none of images.

        Raises:
            InputError: if a cell is not of its column's kind, or X is no table and the fit's was one.
        """
        if self.kinds == (IMAGE,):
            return {}
        frame = frame_of(X, *self.shape)
        return {name: read(frame.iloc[:, at], self.kinds[at]) for at, name in enumerate(self.names)}

    def encode(self, X: Any, encoder: Encoder) -> np.ndarray:
        """X as the networks see it, float32 [n, F] or [n, height, width, channels].

        Raises:
            InputError: as `columns`, or if images are not like those of the fit.
        """
        return self.encode_read(X, self.columns(X), encoder)

    def require_images(self, X: Any) -> None:
        """Refuses a table, where the fit's X was images.

        Raises:
            InputError: if X is one; a single image is taken for one.
        """
        if np.ndim(X) < 3:
            shape = ", ".join(map(str, self.shape))
            raise InputError(
                f"X must be images [rows, {shape}] as in the fit; its shape is {np.shape(X)}: reshape it, a single "
                "image as X[None]"
            )

    def encode_read(self, X: Any, columns: Mapping[str, np.ndarray], encoder: Encoder) -> np.ndarray:
        """As `encode`, with what `columns` gives."""
        if encoder.image is None:
            return encoder.encode_columns(columns)
        _check_images(X)
        if _pixels(X.shape) != _pixels((0, *self.shape)):
            raise InputError(f"images must be {self.shape} as in the fit; they are {tuple(X.shape[1:])}: resize them")
        whole = np.issubdtype(X.dtype, np.integer)
        if whole and 0 < X.max() <= 1:
            raise InputError(_dark(X))
        x = X.astype(np.float32) / np.float32(127.5 if whole else 0.5) - np.float32(1.0)
        return np.asarray(x.reshape(len(x), *encoder.shape))

    def contract(self, X: Any, classes: Iterable[str] | None) -> Contract:
        """What the data themselves say: a type per column, and whether anything is missing.

        Args:
            X: of the fit.
            classes: their names; None for values.
        """
        return self.contract_of(self.columns(X), classes)

    def contract_of(self, columns: Mapping[str, np.ndarray], classes: Iterable[str] | None) -> Contract:
        """As `contract`, with what `columns` gives."""
        label = "y"
        while label in self.names:
            label += "_"
        described: Mapping[str, Any]
        if self.kinds == (IMAGE,):
            height, width, channels = _pixels((0, *self.shape))
            described = {IMAGE: ImageColumn(type="image", height=height, width=width, channels=_channels(channels))}
        else:
            described = {name: _described(values) for name, values in columns.items()}
        task: Literal["classification", "regression"] = "regression" if classes is None else "classification"
        about = ValueLabel(column=label) if classes is None else ClassLabel(column=label, classes=tuple(classes))
        return Contract(name="data", task=task, label=about, columns=dict(described))


def frame_of(X: Any, columns: int | None = None) -> pd.DataFrame:
    """A table as a frame, whose columns have types of their own.

    Raises:
        InputError: if X is no table, or has not so many columns.
    """
    if np.ndim(X) != 2 or columns not in (None, np.shape(X)[1]):
        wanted = "columns" if columns is None else columns
        raise InputError(f"X must be a table [rows, {wanted}] as in the fit; its shape is {np.shape(X)}: reshape it")
    return X if isinstance(X, pd.DataFrame) else pd.DataFrame(X).infer_objects()


def _names(frame: pd.DataFrame) -> tuple[str, ...]:
    given = [name for name in frame.columns if isinstance(name, str) and name not in RESERVED]
    usable = len(set(given)) == len(frame.columns)
    return tuple(given) if usable else tuple(f"x{place}" for place in range(len(frame.columns)))


def _described(values: np.ndarray) -> NumberColumn | CategoryColumn:
    if values.dtype == np.float64:
        return NumberColumn(nullable=bool(np.isnan(values).any()))
    counts = Counter(word for word in values.tolist() if word is not None)
    words = sorted(word for word, _ in counts.most_common(WORDS))
    return CategoryColumn(type="category", values=tuple(words) or ("",), nullable=any(word is None for word in values))


def _check_images(X: Any) -> None:
    height, width, channels = _pixels(X.shape) if 3 <= np.ndim(X) <= 4 else (0, 0, 0)
    if channels not in (1, 3) or not (8 <= height <= 64 and 8 <= width <= 64):
        raise InputError(
            "X must be a table [rows, columns], or images [rows, height, width] or [rows, height, width, 1 or 3] of "
            f"8 to 64 pixels; it has {np.ndim(X)} dimensions, {np.shape(X)}: reshape or resize it"
        )
    numbers = X.dtype.kind in "iuf"
    top = 255 if np.issubdtype(X.dtype, np.integer) else 1
    if not numbers or not (X.min() >= 0 and X.max() <= top):  # NaN is refused too
        reach = f" from {X.min()} to {X.max()}" if numbers else ""
        raise InputError(
            "pixels must be whole numbers 0 .. 255 or fractions 0 .. 1, none missing; these are of type "
            f"{X.dtype}{reach}: rescale or convert the images"
        )


def _pixels(shape: Sequence[int]) -> tuple[int, int, int]:
    """Height, width and channels of images [rows, height, width] or [rows, height, width, channels]."""
    _, height, width, channels = (*shape, 1)[:4]
    return height, width, channels


def _dark(X: np.ndarray) -> str:
    return (
        f"pixels that are whole numbers must be 0 .. 255; the largest of {len(X)} images is {X.max()}: divide by the "
        "largest that there can be, for fractions 0 .. 1, or multiply up to 255"
    )


def _channels(count: int) -> Literal[1, 3]:
    return 1 if count == 1 else 3
