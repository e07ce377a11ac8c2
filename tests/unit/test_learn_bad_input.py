"""What the estimators do with input that cannot be right, or nearly cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from warned import warned

from ssgan import SSGANClassifier, SSGANRegressor
from ssgan.errors import DataError, ParamsError

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-2, 1, (60, 2)), RNG.normal(2, 1, (60, 2))])
TRUTH = np.repeat([0, 1], 60)
FEW = np.isin(np.arange(120), [0, 1, 2, 117, 118, 119])
LABELS = np.where(FEW, TRUTH, -1)
SMALL = {"steps": 60, "hidden": (16, 16), "random_state": 0, "teacher_weight": 0.0}


@pytest.mark.parametrize(
    ("rows", "y", "fault"),
    [
        (X, np.zeros(120), "at least two classes must have a labelled row; y has 1 class, 120 labelled"),
        (X, np.full(120, -1), "at least two classes must have a labelled row; y has 0 class"),
        (X, np.where(TRUTH == 0, -1, 1), "-1, NaN, None and '' mean unlabelled"),
        (X, TRUTH[:50], "same length; X has 120 rows, y has 50"),
        (X, None, "requires y"),
        (X[:, 0], TRUTH, "Expected 2D array"),
        (X[:0], TRUTH[:0], "0 sample"),
        (X[:1], TRUTH[:1], "1 sample"),
        (X[:, :0], TRUTH, "0 feature"),
        (np.where(X > 3, np.inf, X), TRUTH, "infinity"),
        (pd.DataFrame(np.where(X > 3, np.inf, X), columns=["a", "b"]), TRUTH, "column 'b' holds an infinite|'a' holds"),
        (X.astype(complex), TRUTH, "Complex data not supported"),
        (X, TRUTH + 0.5, "Unknown label type: continuous"),
        (X, [[0, 1]] * 119 + [[1]], "Unknown label type"),
        (X, ["a", 1] * 60, "must be all words or all numbers"),
        (X, np.where(TRUTH, np.inf, 0.0), "infinity, which is not a class"),
        (np.zeros((120, 4, 4)), TRUTH, "8 to 64 pixels"),
        (np.full((120, 8, 8), 7.5), TRUTH, "fractions 0 .. 1"),
        (np.full((120, 8, 8), np.nan), TRUTH, "none missing"),
        (np.arange(120 * 64).reshape(120, 8, 8) % 17, TRUTH, "the largest of 120 images is 16: divide"),
        (np.ones((120, 8, 8), np.uint8), TRUTH, "the largest of 120 images is 1: divide"),
        (np.array(["a", 1.5] * 60, object), TRUTH, "Expected 2D array, got a 1D array"),
        (
            X,
            [pd.Timestamp("2020-01-01"), pd.Timestamp("2021-01-01")] * 60,
            "y holds Timestamp: write its classes as text",
        ),
        (X, [np.timedelta64(1, "D"), np.timedelta64(2, "D")] * 60, "y holds timedelta64"),
        (X, np.eye(2)[TRUTH], r"y should be a 1d array, .* its shape is \(120, 2\): give one column"),
        (X, (each for each in TRUTH), r"its shape is \(\)"),
        (
            X,
            np.where(TRUTH, 1e300, 1.0),
            r"must be below 9007199254740992, .* holds 1e\+300: write its classes as text",
        ),
        (X, [2**70, 1] * 60, "holds 1.18059e"),
        (pd.DataFrame({"a": X[:, 0] + 1j}), TRUTH, "column 'a' must hold numbers"),
        (np.full((120, 8, 8), -0.5), TRUTH, "of type float64 from -0.5 to -0.5: rescale"),
        (np.ones((120, 8, 8), bool), TRUTH, "of type bool: rescale or convert"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_the_reason(rows: object, y: object, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        SSGANClassifier(**SMALL).fit(rows, y)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("y", "fault"),
    [
        (np.full(120, np.nan), "finite number"),
        (np.where(FEW, np.inf, 1.0), "infinity"),
        (["a"] * 120, "must hold numbers"),
    ],
)
def test_a_regressor_needs_finite_numbers(y: object, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        SSGANRegressor(**SMALL).fit(X, y)


def test_values_that_are_too_far_apart_are_refused_as_scikit_learn_refuses_its_own() -> None:
    with pytest.raises(ValueError, match="give them in another unit"):
        SSGANRegressor(**SMALL).fit(X, X[:, 0] * 1e300)


def test_groups_of_several_columns_are_no_groups() -> None:
    with pytest.raises(DataError, match=r"groups should be a 1d array, .* its shape is \(120, 2\)"):
        SSGANClassifier(**SMALL).fit(X, LABELS, groups=X)


@pytest.mark.parametrize("validation", [X, (X, TRUTH, TRUTH)])
def test_validation_is_a_pair(validation: Any) -> None:
    with pytest.raises(DataError, match=r"validation must be a pair \(X, y\)"):
        SSGANClassifier(**SMALL).fit(X, LABELS, validation=validation)
    with pytest.raises(DataError, match="y of validation has 3"):
        SSGANClassifier(**SMALL).fit(X, LABELS, validation=(X, TRUTH[:3]))


def test_groups_of_another_length_are_named_and_of_mixed_types_taken() -> None:
    with pytest.raises(DataError, match="X and groups must have the same length; X has 120 rows, groups has 2"):
        SSGANClassifier(**SMALL).fit(X, LABELS, groups=["a", "b"])
    SSGANClassifier(**{**SMALL, "steps": 2, "teacher_weight": 1.0}).fit(X, LABELS, groups=["a", 1] * 60)


@pytest.mark.parametrize(
    ("knob", "fault"),
    [
        ({"steps": 0}, "`steps` is 0"),
        ({"hidden": 64}, r"`hidden` is 64: it must be a list, such as \[64\]"),
        ({"hidden": "64"}, "`hidden` is '64': it must be a list"),
        ({"hidden": None}, "`hidden` is None: it must be a list"),
        ({"gan_weight": np.inf}, "`gan_weight` is inf: it must be a finite number"),
        ({"stir": 2.0}, r"train\.stir must be left out for a table, which has no pixels; it is 2\.0"),
    ],
)
def test_a_knob_that_cannot_be_is_named(knob: dict[str, Any], fault: str) -> None:
    with pytest.raises(ParamsError, match=fault):
        SSGANClassifier(**{**SMALL, **knob}).fit(X, TRUTH)


def test_images_have_no_committee() -> None:
    with pytest.raises(ParamsError, match="which trees do not read; they are 0 and committee"):
        SSGANClassifier(answer="committee").fit(RNG.uniform(0, 1, (20, 8, 8)), np.arange(20) % 2)


def test_what_is_no_callback_is_refused_before_anything_is_learned() -> None:
    with pytest.raises(DataError, match="callbacks must be Keras callbacks; one is 3"):
        SSGANClassifier(**SMALL).fit(X, TRUTH, callbacks=[3])


def test_other_columns_than_in_the_fit_are_refused() -> None:
    model = SSGANClassifier(**SMALL).fit(X, TRUTH)
    with pytest.raises(DataError, match="X has 1 features, but SSGANClassifier is expecting 2"):
        model.predict(X[:, :1])
    with pytest.raises(DataError, match="column 1 must hold numbers as in the fit"):
        model.predict(np.array([[1.0, "large"]], object))


def test_an_array_of_images_is_no_table_that_was_fitted() -> None:
    model = SSGANClassifier(**{**SMALL, "steps": 2}).fit(X, LABELS)
    with pytest.raises(DataError, match=r"must be a table \[rows, 2\] as in the fit; its shape is \(3, 8, 8\)"):
        model.predict(np.zeros((3, 8, 8)))


@pytest.fixture(scope="module")
def of_images() -> tuple[np.ndarray, SSGANClassifier]:
    """Whole-number images, and what was fitted on them."""
    images = RNG.integers(0, 256, (20, 8, 8), np.uint8)
    return images, SSGANClassifier(steps=2, batch=4, unlabelled=1).fit(images, np.tile([0, 1, -1, -1], 5))


def test_a_table_and_a_single_image_are_no_images_as_in_the_fit(of_images: tuple[np.ndarray, SSGANClassifier]) -> None:
    images, model = of_images
    for other in (images.reshape(20, 64), images[0], pd.DataFrame(images[0])):
        with pytest.raises(
            DataError, match=r"must be images \[rows, 8, 8\] as in the fit; .* single image as X\[None\]"
        ):
            model.predict(other)
    assert model.predict(images[..., None]).tolist() == model.predict(images).tolist()


def test_masks_of_noughts_and_ones_are_no_whole_pixels_in_predict_either(
    of_images: tuple[np.ndarray, SSGANClassifier],
) -> None:
    images, model = of_images
    with pytest.raises(DataError, match="the largest of 20 images is 1: divide"):
        model.predict((images > 99).astype(np.uint8))
    assert model.predict(np.zeros((2, 8, 8), np.uint8)).shape == (2,)


def test_a_class_with_one_labelled_row_is_learned() -> None:
    y = np.full(120, -1)
    y[[0, 119]] = 0, 1
    assert SSGANClassifier(**SMALL).fit(X, y).score(X, TRUTH) > 0.7


def test_when_all_rows_are_labelled_it_says_so_and_trains() -> None:
    with warned(__file__) as texts:
        model = SSGANClassifier(**SMALL).fit(X, TRUTH)
    assert any("all 120 rows have a label" in text for text in texts)
    assert model.warnings_ == tuple(texts)
    assert model.score(X, TRUTH) > 0.9


def test_columns_that_say_nothing_do_no_harm() -> None:
    constant, empty = np.full((120, 1), 7.0), np.full((120, 1), np.nan)
    model = SSGANClassifier(**SMALL).fit(np.concatenate([X, constant, empty], axis=1), LABELS)
    assert model.score(np.concatenate([X, constant + 1, empty], axis=1), TRUTH) > 0.9
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "word": ["same"] * 120, "nothing": [None] * 120})
    assert SSGANClassifier(**SMALL).fit(frame, LABELS).score(frame, TRUTH) > 0.9


def test_a_word_of_its_own_for_every_row_is_one_slot() -> None:
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "word": [f"w{number}" for number in range(120)]})
    model = SSGANClassifier(**SMALL).fit(frame, LABELS)
    assert model.encoder_.shape == (3,)
    assert model.score(frame.assign(word="unseen"), TRUTH) > 0.9


def test_five_thousand_words_make_at_most_65_slots() -> None:
    words = [f"w{number}" for number in RNG.permutation(np.minimum(RNG.geometric(0.003, 20_000), 4999))]
    rows = pd.DataFrame({"a": np.resize(X[:, 0], 20_000), "word": words})
    model = SSGANClassifier(steps=2, hidden=(4,), random_state=0).fit(rows, np.resize(LABELS, 20_000))
    assert model.encoder_.shape == (66,)


def test_ten_thousand_columns_are_fitted() -> None:
    rows = np.concatenate([X, RNG.normal(size=(120, 9_998))], axis=1).astype(np.float32)
    model = SSGANClassifier(**{**SMALL, "steps": 2}, batch=4).fit(rows, TRUTH)
    assert model.predict_proba(rows[:3]).shape == (3, 2)


def test_a_batch_may_be_larger_than_the_data() -> None:
    assert SSGANClassifier(**SMALL, batch=1000).fit(X[::10], TRUTH[::10]).score(X, TRUTH) > 0.9


def test_columns_that_labelled_rows_lack_are_missing_there() -> None:
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "only": np.where(FEW, np.nan, X[:, 0])})
    model = SSGANClassifier(**SMALL).fit(frame, LABELS)
    assert model.encoder_.feature_names == ("a", "b", "only", "only=missing")
    assert np.isfinite(model.predict_proba(frame)).all()
