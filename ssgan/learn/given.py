"""X and y as they are given to an estimator: refused where scikit-learn refuses them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import column_or_1d, validate_data

from ssgan.learn.tabular import InputError


def checked(model: Any, X: Any, fitting: bool) -> Any:
    """X as a frame or a numpy array, refused as scikit-learn refuses it."""
    array = np.asarray(X)
    mixed = isinstance(X, pd.DataFrame) or array.ndim > 2 or array.dtype.kind == "O"
    checks: dict[str, Any] = {"ensure_all_finite": "allow-nan", "ensure_min_samples": 2 if fitting else 1}
    try:
        if not mixed or hasattr(X, "tocsr"):
            return validate_data(model, X, reset=fitting, dtype=None, **checks)
        X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
        if X.ndim < 3:
            validate_data(model, X, reset=fitting, skip_check_array=True)
        if not len(X) or not X.shape[1]:
            raise InputError(f"X must have rows and columns; its shape is {X.shape}")
        return X
    except ValueError as error:
        raise InputError(str(error)) from None


def one_dimension(X: Any, y: Any, model: Any, name: str = "y") -> np.ndarray:
    """Labels, or what `name` says, as objects [n]."""
    if y is None:
        raise InputError(f"{type(model).__name__} requires y to be passed, but the target y is None")
    if len(getattr(y, "shape", ())) > 1:
        y = column_or_1d(y, warn=True)
    y = y if hasattr(y, "__len__") else np.asarray(y)
    labels = np.empty(len(y), object)
    labels[:] = list(y)
    if len(labels) != len(X):
        raise InputError(f"X and {name} must have the same length; X has {len(X)} rows, {name} has {len(labels)}")
    return labels


def told_by(
    model: Any, validation: tuple[Any, Any] | None, labels: Callable[[np.ndarray], np.ndarray]
) -> tuple[Any, np.ndarray] | None:
    """Validation rows, checked as `predict` checks its own, and what `labels` makes of their y."""
    if validation is None:
        return None
    X, y = validation
    X = checked(model, X, fitting=False)
    return X, labels(one_dimension(X, y, model))
