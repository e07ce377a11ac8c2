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
        X = X if hasattr(X, "tocsr") else _frame_or_array(X)
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


def _frame_or_array(X: Any) -> Any:
    """A table of another library as a frame, whose names numpy would lose; anything else as numpy has it.

    Rows with a word in them keep the types of their cells, which numpy would make text of.
    """
    if isinstance(X, pd.DataFrame):
        return X
    if hasattr(X, "to_pandas") and len(X.shape) == 2:
        return X.to_pandas()
    array = np.asarray(_without_mask(X))
    if array.dtype.kind == "T" or (array.ndim == 2 and array.dtype.kind in "US" and not hasattr(X, "dtype")):
        return np.asarray(X, object)
    return array


def _without_mask(values: Any) -> Any:
    """An array whose masked cells are missing; what has no mask as it is."""
    return values.astype(object).filled(None) if np.ma.is_masked(values) else values


def one_dimension(X: Any, y: Any, model: Any, name: str = "y") -> np.ndarray:
    """Labels, or what `name` says, as objects [n].

    Raises:
        InputError: if it has several columns, or another length than X.
    """
    if y is None:
        raise InputError(f"{type(model).__name__} requires y to be passed, but the target y is None")
    y = _without_mask(y.to_pandas() if hasattr(y, "to_pandas") else y)
    y = y if hasattr(y, "__len__") else np.asarray(y)
    shape = tuple(getattr(y, "shape", (len(X),)))
    if shape[1:] not in ((), (1,)) or not shape:
        raise InputError(f"{name} should be a 1d array, one entry for each row; its shape is {shape}: give one column")
    if len(shape) > 1:
        y = column_or_1d(y, warn=name == "y")
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
    seed = seed_of(model.random_state)
    try:
        return TrainParams(**given, seed=seed)
    except ValidationError as error:
        raise ParamsError(describe(error, TrainParams)) from None


def weights_of(answers: np.ndarray, weights: Any, known: np.ndarray, model: Any) -> np.ndarray | None:
    """What each of the known rows counts for, float64 [m]; None: all the same."""
    if weights is None:
        return None
    return np.asarray(one_dimension(answers, weights, model, "sample_weight")[known], np.float64)


def wanted(rows: Any) -> int:
    """How many rows to make up.

    Raises:
        InputError: if that is no number of rows.
    """
    if not isinstance(rows, int | np.integer) or rows < 1:
        raise InputError(f"n must be a whole number of rows, 1 or more; it is {rows!r}: ask for so many")
    return int(rows)


def seed_of(random_state: Any) -> int:
    """A seed from what scikit-learn takes for one."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def told_by(
    model: Any, validation: tuple[Any, Any] | None, labels: Callable[[np.ndarray], np.ndarray]
) -> tuple[Any, np.ndarray] | None:
    """Validation rows, checked as `predict` checks its own, and what `labels` makes of their y.

    Raises:
        InputError: if they are no pair, or cannot be read.
    """
    if validation is None:
        return None
    if not isinstance(validation, tuple | list) or len(validation) != 2:
        raise InputError(f"validation must be a pair (X, y); it is a {type(validation).__name__}: give both")
    X, y = validation
    X = checked(model, X, fitting=False)
    return X, labels(one_dimension(X, y, model, "y of validation"))
