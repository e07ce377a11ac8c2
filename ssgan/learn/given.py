"""X, y and knobs as they are given to an estimator: refused where scikit-learn, or the rules of knobs, refuse them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError
from sklearn.utils import check_random_state
from sklearn.utils.validation import column_or_1d, validate_data

from ssgan.config import TrainParams
from ssgan.errors import InputError, ParamsError, describe
from ssgan.learn.stored import plain


def checked(model: Any, X: Any, fitting: bool) -> Any:
    """X as a frame or a numpy array, refused as scikit-learn refuses it.

    Raises:
        InputError: if it has no rows or columns, or not those of the fit.
    """
    checks: dict[str, Any] = {"ensure_all_finite": "allow-nan", "ensure_min_samples": 2 if fitting else 1}
    try:
        X = X if isinstance(X, pd.DataFrame) or hasattr(X, "tocsr") else _array(X)
        if not isinstance(X, pd.DataFrame) and (hasattr(X, "tocsr") or (X.ndim < 3 and X.dtype.kind != "O")):
            return validate_data(model, X, reset=fitting, dtype=None, **checks)
        if X.ndim < 2:
            raise InputError(f"Expected 2D array, got a {X.ndim}D array instead: X must be [rows, columns]")
        if X.ndim == 2:
            validate_data(model, X, reset=fitting, skip_check_array=True)
        elif fitting and hasattr(model, "feature_names_in_"):
            del model.feature_names_in_  # of a frame that it was fitted on before
        if not len(X) or not X.shape[1]:
            raise InputError(f"X must have rows and columns; its shape is {X.shape}")
        return X
    except ValueError as error:
        raise InputError(str(error)) from None


def _array(X: Any) -> np.ndarray:
    """As numpy has it; but rows with a word in them keep the types of their cells, which numpy would make text of."""
    array = np.asarray(X)
    if array.ndim == 2 and array.dtype.kind in "US" and not hasattr(X, "dtype"):
        return np.asarray(X, object)
    return array


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


def params_of(model: Any) -> TrainParams:
    """The knobs of an estimator.

    Raises:
        ParamsError: naming one that cannot be.
    """
    known = plain(model.get_params())
    given = {name: value for name, value in known.items() if name in TrainParams.model_fields}
    seed = int(check_random_state(model.random_state).randint(2**31 - 1))
    try:
        return TrainParams(**{**given, "hidden": tuple(known["hidden"])}, seed=seed)
    except ValidationError as error:
        raise ParamsError(describe(error, TrainParams)) from None


def told_by(
    model: Any, validation: tuple[Any, Any] | None, labels: Callable[[np.ndarray], np.ndarray]
) -> tuple[Any, np.ndarray] | None:
    """Validation rows, checked as `predict` checks its own, and what `labels` makes of their y."""
    if validation is None:
        return None
    X, y = validation
    X = checked(model, X, fitting=False)
    return X, labels(one_dimension(X, y, model))
