"""Partly labelled data in, a served model out: a production workflow around a semi-supervised GAN."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ssgan.errors import SSGANWarning

if TYPE_CHECKING:
    from ssgan.learn.estimator import SSGANClassifier, SSGANRegressor

__version__ = "0.1.0"
__all__ = ["SSGANClassifier", "SSGANRegressor", "SSGANWarning", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports the estimators when they are first asked for: TensorFlow takes seconds."""
    if name in ("SSGANClassifier", "SSGANRegressor"):
        return getattr(importlib.import_module("ssgan.learn.estimator"), name)
    raise AttributeError(f"module 'ssgan' has no attribute {name!r}")
