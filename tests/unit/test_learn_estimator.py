"""The estimators behave as scikit-learn's do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from ssgan import SSGANClassifier, SSGANRegressor
from ssgan.errors import DataError, ParamsError

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-2, 1, (60, 2)), RNG.normal(2, 1, (60, 2))])
TRUTH = np.repeat([0, 1], 60)
FEW = np.isin(np.arange(120), [0, 1, 2, 117, 118, 119])
SMALL = {"steps": 60, "hidden": (16, 16), "random_state": 0}


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.where(FEW, TRUTH, -1), [0, 1]),
        (np.where(FEW, TRUTH, np.nan), [0, 1]),
        ([int(truth) if known else None for truth, known in zip(TRUTH, FEW, strict=True)], [0, 1]),
        (pd.Series(np.where(FEW, np.where(TRUTH, "ill", "well"), "-1")), ["ill", "well"]),
    ],
    ids=["-1", "NaN", "None", "text"],
)
def test_unlabelled_is_none_nan_or_minus_1(y: object, classes: list[object]) -> None:
    model = SSGANClassifier(**SMALL).fit(X, y)
    assert model.classes_.tolist() == classes
    right = np.asarray(classes)[TRUTH] if classes == [0, 1] else np.array(["well", "ill"])[TRUTH]
    assert model.score(X, right) > 0.9


def test_the_classifier_has_scikit_learn_s_face() -> None:
    model = SSGANClassifier(**SMALL)
    assert model.get_params()["steps"] == 60
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(steps=20) is model
    with pytest.raises(NotFittedError):
        model.predict(X)
    y = np.where(FEW, TRUTH, -1)
    probabilities = model.fit(X, y).predict_proba(X)
    assert probabilities.shape == (120, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert model.fake_probability(X).shape == (120,)
    assert np.array_equal(clone(model).fit(X, y).predict_proba(X), probabilities)
    assert model.n_features_in_ == 2


def test_cross_validation_runs() -> None:
    scores = cross_val_score(SSGANClassifier(**SMALL), X, TRUTH, cv=2)
    assert scores.mean() > 0.9


def test_frames_may_mix_numbers_words_and_gaps() -> None:
    frame = pd.DataFrame({"size": X[:, 0], "word": np.where(X[:, 1] > 0, "b", "a"), "flag": X[:, 1] > 0})
    frame.loc[::7, "size"] = np.nan
    frame.loc[::9, "word"] = None
    model = SSGANClassifier(**SMALL).fit(frame, np.where(FEW, TRUTH, -1))
    assert model.feature_names_in_.tolist() == ["size", "word", "flag"]
    assert model.score(frame, TRUTH) > 0.9
    assert model.predict(pd.DataFrame({"size": [None], "word": ["never seen"], "flag": [True]})).shape == (1,)


def test_minus_1_is_a_value_to_the_regressor() -> None:
    y = np.full(120, np.nan)
    y[FEW] = -1.0
    model = SSGANRegressor(**SMALL).fit(X, y)
    assert model.predict(X) == pytest.approx(np.full(120, -1.0), abs=1.0)
    assert model.fitted_.head.mean == -1.0


def test_the_regressor_answers_in_the_unit_of_y() -> None:
    y = 1000 + 100 * X[:, 0]
    known = np.where(np.arange(120) % 3 == 0, y, np.nan)
    model = SSGANRegressor(steps=300, hidden=(32, 32), random_state=0).fit(X, known)
    assert model.score(X, y) > 0.8
    assert model.fake_probability(X).shape == (120,)


@pytest.mark.parametrize(
    ("rows", "y", "fault"),
    [
        (X, np.zeros(120), "at least two classes"),
        (X, np.full(120, -1), "at least two classes"),
        (X, TRUTH[:50], "same length; X has 120 rows, y has 50"),
        (X[:, 0], TRUTH, "1 dimensions"),
        (X[:0], TRUTH[:0], "at least two classes"),
        (np.where(X > 3, np.inf, X), TRUTH, "holds an infinite number"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_the_reason(rows: np.ndarray, y: np.ndarray, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        SSGANClassifier(**SMALL).fit(rows, y)


@pytest.mark.parametrize(
    ("y", "fault"),
    [
        (np.full(120, np.nan), "finite number"),
        (np.full(120, np.inf), "finite number"),
        (["a"] * 120, "must hold numbers"),
    ],
)
def test_a_regressor_needs_finite_numbers(y: object, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        SSGANRegressor(**SMALL).fit(X, y)


def test_a_knob_that_cannot_be_is_named() -> None:
    with pytest.raises(ParamsError, match="`steps` is 0"):
        SSGANClassifier(steps=0).fit(X, TRUTH)


def test_another_number_of_columns_is_refused() -> None:
    model = SSGANClassifier(**SMALL).fit(X, TRUTH)
    with pytest.raises(DataError, match="2 columns of the fit; it has 1"):
        model.predict(X[:, :1])
