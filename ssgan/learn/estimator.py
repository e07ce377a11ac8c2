"""The learner with scikit-learn's face: no project, no files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from pydantic import ValidationError
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ssgan.config import TrainParams
from ssgan.contract import CategoryColumn, ClassLabel, Contract, NumberColumn, ValueLabel
from ssgan.errors import DataError, ParamsError, describe
from ssgan.learn.artefact import Predictions, answers
from ssgan.learn.encode import Encoder
from ssgan.learn.heads import head_for
from ssgan.learn.train import fit_discriminator, resolve

LABEL = "y"
Fakes = Literal["generator", "shuffled columns"]


class _SSGAN(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share."""

    def __init__(
        self,
        *,
        steps: int | None = None,
        batch: int = 64,
        learning_rate: float | None = None,
        hidden: tuple[int, ...] = (128, 128),
        fakes: Fakes | None = None,
        gan_weight: float | None = None,
        ramp: float = 0.25,
        ema: float = 0.99,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.steps = steps
        self.batch = batch
        self.learning_rate = learning_rate
        self.hidden = hidden
        self.fakes = fakes
        self.gan_weight = gan_weight
        self.ramp = ramp
        self.ema = ema
        self.random_state = random_state

    def fake_probability(self, X: Any) -> np.ndarray:
        """float64 [n]: how unlike the training rows each row is, 0 .. 1."""
        return self._ask(X).fake_probability

    def _fit(self, X: Any, y: np.ndarray, label: ClassLabel | ValueLabel) -> None:
        columns = _columns(X)
        contract = _contract(columns, label)
        knobs = resolve(self._params(), contract)
        encoder = Encoder.fit(columns, contract)
        x = encoder.encode_columns(columns)
        name = "regressor" if isinstance(label, ValueLabel) else "classifier"
        self.fitted_ = fit_discriminator(x, y, encoder, head_for(contract, y), knobs, name)
        self.contract_, self.encoder_, self.knobs_ = contract, encoder, knobs
        self.n_features_in_ = len(columns)
        if isinstance(X, pd.DataFrame):
            self.feature_names_in_ = np.asarray(X.columns, object)

    def _params(self) -> TrainParams:
        given = {name: value for name, value in self.get_params().items() if name != "random_state"}
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        try:
            return TrainParams(**given, seed=seed)
        except ValidationError as error:
            raise ParamsError(describe(error, TrainParams)) from None

    def _ask(self, X: Any) -> Predictions:
        check_is_fitted(self)
        columns = _columns(X)
        if len(columns) != self.n_features_in_:
            raise DataError(f"X must have the {self.n_features_in_} columns of the fit; it has {len(columns)}")
        outputs = self.fitted_.outputs(self.encoder_.encode_columns(columns))
        return answers(self.contract_, self.fitted_.head.metadata, *outputs)


class SSGANClassifier(ClassifierMixin, _SSGAN):  # type: ignore[misc]
    """A semi-supervised GAN's discriminator as a classifier: it learns from labelled and unlabelled rows at once.

    Classes are drawn in equal shares in training, so probabilities are those of a population with equal shares.

    Args:
        steps: updates; None means 1500.
        batch: rows of each kind per step.
        learning_rate: of Adam; None means 0.002.
        hidden: widths of the layers.
        fakes: "generator" (feature matching), or "shuffled columns"; None means the latter for classes, the former
            for values.
        gan_weight: weight of the real/fake term; 0 ignores unlabelled rows; None means 0.3 with a generator, and with
            shuffled columns 3 for classes, 1 for values.
        ramp: share of the steps over which that weight rises.
        ema: decay per step of the averaged weights.
        random_state: seed of weights, batches and noise.

    Example:
        >>> import numpy as np
        >>> from ssgan import SSGANClassifier
        >>> rng = np.random.default_rng(0)
        >>> X = np.concatenate([rng.normal(-2, 1, (100, 2)), rng.normal(2, 1, (100, 2))])
        >>> y = np.full(200, -1)  # unlabelled ...
        >>> y[:3], y[-3:] = 0, 1  # ... but for six rows
        >>> model = SSGANClassifier(steps=200, random_state=0).fit(X, y)
        >>> model.predict([[-2.0, -2.0], [2.0, 2.0]])
        array([0, 1])
        >>> model.predict_proba([[2.0, 2.0]]).shape
        (1, 2)
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fits on all rows of X; an unlabelled row's y is None, NaN or -1.

        Args:
            X: frame or array [n, columns]; numbers may be NaN, words may be None.
            y: [n] class labels of any kind.

        Raises:
            DataError: if fewer than two classes are labelled, or X cannot be read.
        """
        labels = _labels(X, y)
        known = np.array([not _unlabelled(each) for each in labels], bool)
        classes, codes = np.unique(np.asarray(labels[known].tolist()), return_inverse=True)
        if len(classes) < 2:
            raise DataError(f"at least two classes must have a labelled row; y has {len(classes)}: label more rows")
        places = np.full(len(labels), -1, np.int64)
        places[known] = codes
        names = tuple(f"{place}" for place in range(len(classes)))
        self._fit(X, places, ClassLabel(column=LABEL, classes=names))
        whole = np.issubdtype(classes.dtype, np.floating) and np.equal(classes, np.round(classes)).all()
        self.classes_ = classes.astype(np.int64) if whole else classes  # NaN beside 0 and 1 makes floats of them
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, [n]."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 [n, K], in the order of `classes_`."""
        return np.asarray(self._ask(X).probabilities)


class SSGANRegressor(RegressorMixin, _SSGAN):  # type: ignore[misc]
    """A semi-supervised GAN's discriminator with two outputs: a value, and how real the row is.

    Args: those of `SSGANClassifier`.

    Example:
        >>> import numpy as np
        >>> from ssgan import SSGANRegressor
        >>> X = np.random.default_rng(0).normal(size=(200, 2))
        >>> y = X.sum(axis=1)
        >>> y[50:] = np.nan  # unlabelled
        >>> model = SSGANRegressor(steps=300, random_state=0).fit(X, y)
        >>> bool(model.predict([[1.0, 1.0]])[0] > 1)
        True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fits on all rows of X; an unlabelled row's y is None or NaN (-1 is a value).

        Args:
            X: frame or array [n, columns]; numbers may be NaN, words may be None.
            y: [n] numbers.

        Raises:
            DataError: if y has no number, or one that is infinite, or X cannot be read.
        """
        try:
            values = np.asarray(pd.to_numeric(pd.Series(_labels(X, y))), np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"y must hold numbers, NaN or None: {error}") from None
        if np.isinf(values).any() or np.isnan(values).all():
            raise DataError("y must have at least one finite number and no infinite one: mend or label some rows")
        self._fit(X, values, ValueLabel(column=LABEL))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """float64 [n], in the unit of y."""
        return self._ask(X).answer


def _unlabelled(label: Any) -> bool:
    if label is None or label is pd.NA or label != label:
        return True
    return bool(label in ("", "-1") if isinstance(label, str) else label == -1)


def _labels(X: Any, y: Any) -> np.ndarray:
    labels = np.asarray(y, object).ravel()
    if len(labels) != len(X):
        raise DataError(f"X and y must have the same length; X has {len(X)} rows, y has {len(labels)}")
    return labels


def _columns(X: Any) -> dict[str, np.ndarray]:
    """Feature columns by place: float64 with NaN for numbers, objects with None for anything else."""
    frame = X if isinstance(X, pd.DataFrame) else _frame(X)
    if not len(frame) or not len(frame.columns):
        raise DataError(f"X must have rows and columns; its shape is {frame.shape}")
    return {f"x{place}": _column(frame.iloc[:, place]) for place in range(len(frame.columns))}


def _frame(X: Any) -> pd.DataFrame:
    array = np.asarray(X)
    if array.ndim != 2:
        raise DataError(f"X must be a table [rows, columns]; it has {array.ndim} dimensions")
    return pd.DataFrame(array).infer_objects()


def _column(series: pd.Series[Any]) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        values: np.ndarray = series.to_numpy(np.float64, na_value=np.nan)
        if np.isinf(values).any():
            raise DataError(f"X must be finite or missing; column {series.name!r} holds an infinite number: mend it")
        return values
    words = series.astype(object).where(series.notna(), None)
    return np.array([None if word is None else str(word) for word in words], object)


def _contract(columns: Mapping[str, np.ndarray], label: ClassLabel | ValueLabel) -> Contract:
    """What the data themselves say: a type per column, and whether anything is missing."""
    drafted: dict[str, NumberColumn | CategoryColumn] = {}
    for name, values in columns.items():
        if values.dtype == np.float64:
            drafted[name] = NumberColumn(nullable=bool(np.isnan(values).any()))
            continue
        words = sorted({word for word in values if word is not None})
        missing = any(word is None for word in values)
        drafted[name] = CategoryColumn(type="category", values=tuple(words) or ("",), nullable=missing)
    task: Literal["classification", "regression"] = "regression" if isinstance(label, ValueLabel) else "classification"
    return Contract(name="data", task=task, label=label, columns=dict(drafted))
