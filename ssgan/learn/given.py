"""X as it is given to an estimator: refused where scikit-learn refuses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

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
