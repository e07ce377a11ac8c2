"""The estimators behave as scikit-learn's do."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from ssgan import SSGANClassifier, SSGANRegressor
from ssgan.errors import ArtefactError, DataError, ParamsError
from ssgan.learn.artefact import write_checksums

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(-2, 1, (60, 2)), RNG.normal(2, 1, (60, 2))])
TRUTH = np.repeat([0, 1], 60)
FEW = np.isin(np.arange(120), [0, 1, 2, 117, 118, 119])
QUICK = {"teacher_weight": 0.0}  # fitting a teacher takes longer than all the steps
SMALL = {"steps": 60, "hidden": (16, 16), "random_state": 0, **QUICK}


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
    model = SSGANClassifier(**{**SMALL, "steps": 150}).fit(X, y)
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


def test_a_table_of_another_library_keeps_its_names() -> None:
    frame = pd.DataFrame({"size": X[:, 0], "word": np.where(X[:, 1] > 0, "b", "a"), "rare": [None, *X[1:, 1]]})
    table, words = pa.Table.from_pandas(frame), pa.chunked_array([np.where(TRUTH, "ill", "well").tolist()])
    model = SSGANClassifier(**{**SMALL, "steps": 2}).fit(table, words)
    assert model.layout_.kinds == ("number", "word", "number")
    assert model.classes_.tolist() == ["ill", "well"]
    assert np.array_equal(model.predict_proba(table), model.predict_proba(frame))
    with pytest.raises(DataError, match="same order"):
        model.predict(table.select(["word", "size", "rare"]))


def test_masked_cells_are_missing_and_masked_labels_are_none() -> None:
    rows, y = np.ma.masked_greater(X, 3), np.ma.masked_array(TRUTH, ~FEW)
    model = SSGANClassifier(**{**SMALL, "steps": 2}).fit(rows, y)
    gaps = np.where(X > 3, np.nan, X)
    assert np.array_equal(model.predict_proba(rows), model.predict_proba(gaps), equal_nan=True)
    alike = SSGANClassifier(**{**SMALL, "steps": 2}).fit(gaps, np.where(FEW, TRUTH, -1))
    assert np.array_equal(model.predict_proba(gaps), alike.predict_proba(gaps))


def test_text_of_numpy_s_own_type_is_words() -> None:
    rows = np.array([["a", "b"], ["c", "b"]] * 60)
    held = SSGANClassifier(**{**SMALL, "steps": 2}).fit(rows.astype(np.dtypes.StringDType()), TRUTH)
    assert held.layout_.kinds == ("word", "word")
    assert np.array_equal(held.predict_proba(rows), held.predict_proba(rows.astype(np.dtypes.StringDType())))


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


def test_a_committee_answers_and_the_discriminator_alone_is_still_asked() -> None:
    y = np.where(FEW, TRUTH, -1)
    model = SSGANClassifier(**SMALL, answer="committee").fit(X, y)
    alone = SSGANClassifier(**SMALL).fit(X, y)
    assert np.array_equal(model.discriminator_proba(X), alone.predict_proba(X))
    assert not np.array_equal(model.predict_proba(X), alone.predict_proba(X))
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.score(X, TRUTH) > 0.9


def test_samples_have_the_form_of_x() -> None:
    frame = pd.DataFrame({"size": X[:, 0], "word": np.where(X[:, 1] > 0, "b", "a"), 3: np.arange(120) % 4})
    frame.loc[::7, "size"] = np.nan
    model = SSGANClassifier(**SMALL).fit(frame.rename(columns=str), np.where(FEW, TRUTH, -1))
    rows = model.sample(50)
    assert rows.columns.tolist() == ["size", "word", "3"]
    assert set(rows["word"]) == {"a", "b"}
    assert set(rows["3"]) <= {0, 1, 2, 3}
    assert rows["size"].isna().any()
    assert rows.equals(model.sample(50))
    assert not rows.equals(model.sample(50, random_state=None))
    for count in (0, 2.5):
        with pytest.raises(DataError, match=f"n must be a whole number of rows, 1 or more; it is {count}"):
            model.sample(count)
    with pytest.raises(ParamsError, match="gan_weight is 0"):
        SSGANClassifier(**SMALL, gan_weight=0.0).fit(X, TRUTH).sample(1)


def test_samples_have_the_types_of_x() -> None:
    days = pd.Series(pd.date_range("2020-01-01", periods=120, freq="37h"))
    frame = pd.DataFrame(
        {
            "flag": X[:, 0] > 0,
            "maybe": pd.Series([True, False, None] * 40, dtype="boolean"),
            "count": pd.Series([1, None, 3] * 40, dtype="Int64"),
            "objects": pd.Series([1, None, 3] * 40, dtype=object),
            "single": X[:, 1].astype(np.float32),
            "grade": pd.Series([1.0, 2.0, 3.0] * 40).astype("category"),
            "day": days,
            "zoned": days.dt.tz_localize("Europe/Berlin"),
            "since": days - days[0],
        }
    )
    rows = SSGANClassifier(**{**SMALL, "steps": 2}).fit(frame, np.where(FEW, TRUTH, -1)).sample(60)
    assert rows.dtypes.to_dict() == {**frame.dtypes.to_dict(), "objects": pd.Int64Dtype()}
    assert set(rows["flag"]) == {True, False}
    assert set(rows["count"].dropna()) <= {1, 2, 3}
    assert rows["count"].isna().any()
    assert rows["day"].between(days.min(), days.max()).all()


@pytest.mark.parametrize("kind", [np.bool_, np.int64, np.float32])
def test_samples_of_an_array_have_its_type(kind: type) -> None:
    rows = (10 * X).astype(kind)
    assert SSGANClassifier(**{**SMALL, "steps": 2}).fit(rows, np.where(FEW, TRUTH, -1)).sample(3).dtype == kind


def test_rows_without_a_label_have_no_part_in_a_score() -> None:
    y = np.where(FEW, TRUTH, -1)
    model = SSGANClassifier(**SMALL).fit(X, y)
    assert model.score(X, y) == (model.predict(X)[FEW] == TRUTH[FEW]).mean() > 0.5
    wrong = np.where(np.arange(120) == 0, 1 - model.predict(X)[0], y)
    weights = np.where(np.arange(120) == 0, 0.0, 1.0)
    assert model.score(X, wrong, sample_weight=weights) == model.score(X[1:], y[1:])
    with pytest.raises(DataError, match="none of the 120 rows has a label"):
        model.score(X, np.full(120, -1))
    with pytest.raises(DataError, match=r"X and sample_weight must have the same length; .* sample_weight has 3"):
        model.score(X, y, sample_weight=[1.0, 1.0, 1.0])


def test_rows_without_a_value_have_no_part_in_a_score() -> None:
    y = np.where(FEW, X[:, 0], np.nan)
    model = SSGANRegressor(**SMALL).fit(X, y)
    assert model.score(X, y) == pytest.approx(model.score(X[FEW], y[FEW]))
    weights = np.where(np.arange(120) == 0, 0.0, 2.0)
    assert model.score(X, y, weights) == pytest.approx(model.score(X[1:], y[1:]))
    with pytest.raises(DataError, match="at least one finite number"):
        model.score(X, np.full(120, np.nan))


def test_knobs_that_are_numpy_s_are_saved_as_numbers(tmp_path: Path) -> None:
    knobs = {**SMALL, "steps": np.int64(2), "noise": np.float32(0.5), "mirror": np.bool_(False)}
    knobs |= {"hidden": np.array([4, 4]), "random_state": np.int64(1)}
    model = SSGANClassifier(**knobs).fit(X, TRUTH)
    model.save(tmp_path / "model")
    loaded = SSGANClassifier.load(tmp_path / "model")
    assert loaded.random_state == 1
    assert loaded.hidden == (4, 4)
    assert loaded.knobs_ == model.knobs_


def test_a_saved_model_reads_columns_as_the_fit_did(tmp_path: Path) -> None:
    days = pd.Series(pd.date_range("2020-01-01", periods=120))
    frame = pd.DataFrame({"size": X[:, 0].astype(str), "flag": X[:, 1] > 0, "day": days})
    model = SSGANClassifier(**{**SMALL, "steps": 2}).fit(frame, TRUTH)
    model.save(tmp_path / "model")
    loaded = SSGANClassifier.load(tmp_path / "model")
    assert loaded.warnings_ == model.warnings_
    other = frame.assign(size=X[:, 0], flag=frame["flag"].astype(int), day=days.astype(str))
    assert loaded.predict_proba(other) == pytest.approx(model.predict_proba(frame), abs=1e-4)


def test_names_of_a_frame_are_gone_when_images_are_fitted() -> None:
    model = SSGANClassifier(**{**SMALL, "steps": 1}).fit(pd.DataFrame(X, columns=["a", "b"]), TRUTH)
    images = RNG.uniform(0, 1, (20, 8, 8))
    model.fit(images, np.arange(20) % 2)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 64


@pytest.mark.parametrize("answer", ["discriminator", "committee"])
def test_a_saved_classifier_answers_the_same_when_loaded(tmp_path: Path, answer: str) -> None:
    frame = pd.DataFrame({"size": X[:, 0], "word": np.where(X[:, 1] > 0, "b", "a")})
    y = pd.Series(np.where(FEW, np.where(TRUTH, "ill", "well"), "-1"))
    model = SSGANClassifier(**SMALL, answer=answer, members=2).fit(frame, y)
    digest = model.save(tmp_path / "model")
    loaded = SSGANClassifier.load(tmp_path / "model")
    assert loaded.artefact_.digest == digest
    assert loaded.get_params() == model.get_params()
    assert loaded.classes_.tolist() == ["ill", "well"]
    assert loaded.feature_names_in_.tolist() == ["size", "word"]
    assert loaded.predict(frame).tolist() == model.predict(frame).tolist()
    assert loaded.predict_proba(frame) == pytest.approx(model.predict_proba(frame), abs=1e-4)
    assert loaded.discriminator_proba(frame) == pytest.approx(model.discriminator_proba(frame), abs=1e-4)
    assert loaded.fake_probability(frame) == pytest.approx(model.fake_probability(frame), abs=1e-4)
    assert loaded.disagreement(frame) == pytest.approx(model.disagreement(frame), abs=1e-4)
    assert model.disagreement(frame).max() > 0
    with pytest.raises(ParamsError, match="it was loaded"):
        loaded.sample(1)
    with pytest.raises(ParamsError, match="saved already"):
        loaded.save(tmp_path / "again")
    with pytest.raises(ParamsError, match="new or empty folder"):
        model.save(tmp_path / "model")
    with pytest.raises(ArtefactError, match=r"SSGANClassifier\.load"):
        SSGANRegressor.load(tmp_path / "model")


def test_a_saved_regressor_of_arrays_answers_the_same_when_loaded_without_keras(tmp_path: Path) -> None:
    model = SSGANRegressor(**{**SMALL, "teacher_weight": 1.0}, answer="committee").fit(
        X, np.where(FEW, X[:, 0] + 50, np.nan)
    )
    model.save(tmp_path / "model")
    np.save(tmp_path / "x.npy", X)
    script = (
        "import sys, numpy as np; from ssgan import SSGANRegressor; "
        "model = SSGANRegressor.load(sys.argv[1] + '/model'); "
        "np.save(sys.argv[1] + '/y.npy', model.predict(np.load(sys.argv[1] + '/x.npy'))); "
        "assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=300)
    assert np.load(tmp_path / "y.npy") == pytest.approx(model.predict(X), abs=1e-2)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a saved classifier."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    SSGANClassifier(**{**SMALL, "steps": 1}).fit(X, TRUTH).save(folder)
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda about: about | {"later": 1}, "another version of ssgan, later is not as this one knows it"),
        (lambda about: {**about, "params": about["params"] | {"later": 1}}, "this one has no knob later"),
        (lambda about: {**about, "params": {}}, "it has no knob hidden"),
    ],
)
def test_a_model_of_another_version_is_told_from_one_that_no_estimator_saved(
    saved: Path, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    about = json.loads((folder / "estimator.json").read_text())
    (folder / "estimator.json").write_text(json.dumps(change(about)))
    write_checksums(folder)
    with pytest.raises(ArtefactError, match=said):
        SSGANClassifier.load(folder)
    (folder / "estimator.json").unlink()
    write_checksums(folder)
    with pytest.raises(ArtefactError, match="was not written by an estimator"):
        SSGANClassifier.load(folder)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b'{"parts": [], "later": 1}'])
def test_a_part_that_this_version_cannot_read_is_told_in_one_line(saved: Path, tmp_path: Path, content: bytes) -> None:
    folder = Path(shutil.copytree(saved, tmp_path / "model"))
    (folder / "encoder.json").write_bytes(content)
    write_checksums(folder)
    with pytest.raises(ArtefactError, match="was written by another version of ssgan") as caught:
        SSGANClassifier.load(folder)
    assert "\n" not in str(caught.value)


def test_a_fitted_estimator_is_not_pickled_and_says_how_it_is_stored() -> None:
    assert pickle.loads(pickle.dumps(SSGANClassifier(**SMALL))).steps == 60
    model = SSGANClassifier(**SMALL).fit(X, TRUTH)
    with pytest.raises(TypeError, match=r"save\(folder\)"):
        pickle.dumps(model)


@pytest.mark.parametrize(("shape", "whole"), [((8, 8), True), ((8, 9, 3), False)])
def test_images_are_fitted_and_sampled_as_arrays(shape: tuple[int, ...], whole: bool) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    images = rng.uniform(0, 0.5, (60, *shape))
    images[truth == 0, :4] += 0.4
    images[truth == 1, 4:] += 0.4
    rows = (images * 255).astype(np.uint8) if whole else images
    model = SSGANClassifier(steps=20, random_state=0).fit(rows, np.where(np.arange(60) < 20, truth, -1))
    assert model.score(rows, truth) > 0.8
    fakes = model.sample(5)
    assert fakes.shape == (5, *shape)
    assert np.issubdtype(fakes.dtype, np.uint8 if whole else np.floating)
    assert fakes.max() <= (255 if whole else 1)
    with pytest.raises(DataError, match="resize them"):
        model.predict(np.zeros((2, 16, 16), np.uint8) if whole else np.zeros((2, 16, 16, 3)))


def test_keras_callbacks_hear_the_score_of_validation_rows() -> None:
    from ssgan.learn.backend import keras

    heard: list[float] = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda _, logs: heard.append(logs["validation"]))
    y, words = np.where(FEW, TRUTH, -1), np.array(["well", "ill"])
    model = SSGANClassifier(**SMALL).fit(X, np.where(y < 0, "-1", words[TRUTH]), [callback], None, (X, words[TRUTH]))
    assert heard[-1] == pytest.approx(model.score(X, words[TRUTH]))
    assert len(heard) > 1
    for given in (callback, None):  # as Keras takes them
        SSGANClassifier(**SMALL).fit(X, y, callbacks=given, validation=(X, TRUTH))
    with pytest.raises(DataError, match=r"must be classes of y, .* one is 'dead'"):
        SSGANClassifier(**SMALL).fit(X, words[TRUTH], validation=(X, ["dead"] * 120))
    with pytest.raises(DataError, match="none of its 120 rows has a label"):
        SSGANClassifier(**SMALL).fit(X, words[TRUTH], validation=(X, [None] * 120))


# scikit-learn's own checks. A step is enough: they ask about manners, not about answers. It is taken without a graph,
# which would take longer to build than a hundred steps.


@pytest.fixture
def without_graph() -> Iterator[None]:
    """TensorFlow computes at once; JAX compiles without trying hard."""
    from ssgan.learn import backend

    if backend.name == "jax":
        import jax

        jax.config.update("jax_disable_most_optimizations", True)
        yield
        jax.config.update("jax_disable_most_optimizations", False)
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


NOT_PICKLED = "a fitted estimator is stored with `save`, never pickled"
WEAK = "one step teaches nothing, and more would take minutes"
MINUS_1 = "-1 means unlabelled here, so it is no class"
CHECKS = {
    "check_estimators_pickle": NOT_PICKLED,
    "check_classifiers_train": WEAK,
    "check_regressors_train": WEAK,
    "check_classifiers_classes": "-1 in y means unlabelled, and here it is a class",
}


@parametrize_with_checks(
    [
        SSGANClassifier(steps=1, batch=4, hidden=(2,), random_state=0, **QUICK),
        SSGANRegressor(steps=1, batch=4, hidden=(2,), random_state=0, **QUICK),
    ],
    expected_failed_checks=lambda estimator: CHECKS,
)
def test_scikit_learn_s_checks(estimator: object, check: Callable[[object], None], without_graph: None) -> None:
    check(estimator)
