"""How X was held, so that made-up rows can be given back as its own are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from ssgan.learn.encode import Encoder
from ssgan.learn.parts import CategoryPart
from ssgan.learn.reading import DAYS, NUMBER, SPAN
from ssgan.learn.tabular import Layout, frame_of

_MICROSECONDS = 86_400_000_000  # of a day


@dataclass(frozen=True)
class Form:
    """Types and spellings of X, which the layout does not keep.

    Attributes:
        names: of a frame's columns; None for an array or images.
        types: per column; of the pixels alone.
        spelled: per column, the cell that stands behind each word.
    """

    names: pd.Index[Any] | None
    types: tuple[Any, ...]
    spelled: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, X: Any, layout: Layout, columns: Mapping[str, np.ndarray], encoder: Encoder) -> Self:
        """The form of the X of a fit, from its columns as the layout reads them; images have none."""
        if not columns:
            return cls(None, (X.dtype,))
        frame, words = frame_of(X), {part.name: part for part in encoder.categories}
        spelled = [
            _spelled(columns[name], frame.iloc[:, at], words[name]) if name in words else {}
            for at, name in enumerate(layout.names)
        ]
        return cls(frame.columns if layout.framed else None, tuple(frame.dtypes), tuple(spelled))

    def rows(self, x: np.ndarray, layout: Layout, encoder: Encoder) -> Any:
        """Encoded rows as a frame or an array like X."""
        if encoder.image is not None:
            pixels = encoder.image.pixels(x).reshape(len(x), *layout.shape)
            return (pixels if layout.whole else pixels / np.float32(255)).astype(self.types[0])
        decoded = encoder.decode_columns(x)
        held = zip(layout.names, layout.kinds, self.types, self.spelled, strict=True)
        given = {name: self._given(decoded[name], kind, dtype, spelled) for name, kind, dtype, spelled in held}
        frame = pd.DataFrame(given)
        if self.names is None:
            return frame.to_numpy()
        frame.columns = self.names
        return frame

    def _given(self, values: np.ndarray, kind: str, dtype: Any, spelled: Mapping[str, Any]) -> pd.Series[Any]:
        if kind == NUMBER:
            return _cast(*_numbers(values, dtype))
        if kind == DAYS:
            return _dates(values, dtype)
        if kind == SPAN:
            return _cast(pd.Series(pd.to_timedelta(values, unit="D")), dtype)
        cells = pd.Series([None if word is None else spelled.get(word, word) for word in values], dtype=object)
        truths = isinstance(dtype, np.dtype) and dtype.kind == "b"
        if truths and cells.isna().any():
            return cells.astype("boolean")
        return _cast(cells, dtype) if truths or self.names is not None else cells  # of an array None stays None


def _spelled(words: np.ndarray, series: pd.Series[Any], part: CategoryPart) -> dict[str, Any]:
    """The first cell of each word that can be made up."""
    spelled: dict[str, Any] = {}
    wanted = frozenset(part.values) | {part.rare}
    for word, cell in zip(words.tolist(), series.astype(object).tolist(), strict=True):
        if word is not None and word in wanted:
            spelled.setdefault(word, cell)
    return spelled


def _numbers(values: np.ndarray, dtype: Any) -> tuple[pd.Series[Any], Any]:
    """Numbers, and the type that they are to have: of objects that were whole a type for whole numbers."""
    types, gaps = pd.api.types, bool(np.isnan(values).any())
    whole = types.is_integer_dtype(dtype)
    if not types.is_numeric_dtype(dtype):
        known = values[~np.isnan(values)]
        whole, dtype = bool((known == np.round(known)).all()), np.dtype(np.int64)
        if not whole:
            return pd.Series(values), np.dtype(np.float64)
    if whole:
        values = np.round(values)
    return pd.Series(values), "Int64" if whole and gaps and isinstance(dtype, np.dtype) else dtype


def _dates(values: np.ndarray, dtype: Any) -> pd.Series[Any]:
    stamps = pd.Series(pd.to_datetime(np.round(values * _MICROSECONDS), unit="us", utc=True))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _cast(stamps.dt.tz_convert(dtype.tz), dtype)
    return _cast(stamps.dt.tz_localize(None), dtype)


def _cast(values: pd.Series[Any], dtype: Any) -> pd.Series[Any]:
    """As that type; as it is, where the type does not take it, such as a decimal of fewer places."""
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        return values
