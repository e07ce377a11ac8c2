"""The learner with scikit-learn's face: no project, and no files but those that `save` writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

from ssgan.errors import InputError
from ssgan.learn import stored
from ssgan.learn.base import Estimator
from ssgan.learn.given import checked, one_dimension, told_by, weights_of
from ssgan.learn.labels import class_labels, known_classes, places_among, value_labels
from ssgan.progress import Cautions


class SSGANClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A semi-supervised GAN's discriminator as a classifier: it learns from labelled and unlabelled rows at once.

    Classes are drawn in equal shares in training, so probabilities are those of a population with equal shares.

    Args:
        answer: "discriminator", or "committee" with plainer methods on the labelled rows (see `teacher.teach`).
        random_state: seed of weights, batches and noise.
        others: the knobs of `params.yaml`, section `train`, where each has its reason; None means the default of the
            task.

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

    def fit(
        self,
        X: Any,
        y: Any,
        callbacks: Iterable[Any] | None = (),
        groups: Any = None,
        validation: tuple[Any, Any] | None = None,
    ) -> Self:
        """Fits on all rows of X; an unlabelled row's y is None, NaN or -1, or a word such as "" or "NA".

        Args:
            X: frame or array [n, columns], numbers may be NaN, words may be None, dates and lengths of time are numbers
                of days; or images [n, height, width] or [n, height, width, channels], whole numbers 0 .. 255 or
                fractions 0 .. 1.
            y: [n] class labels, all words or all whole numbers.
            callbacks: of Keras.
            groups: [n], such as patients: the teacher is judged on labelled rows of groups that it has not seen; None:
                rows have nothing to do with one another. A row whose group is missing is a group of its own.
            validation: X and y of rows that are not learned from: their score is told as training goes on, and is
                `validation` in the callbacks' logs.

        Raises:
            InputError: a DataError and a ValueError: if fewer than two classes are labelled, or X cannot be read.
        """
        X, cautions = checked(self, X, fitting=True), Cautions()
        classes, places = class_labels(one_dimension(X, y, self), cautions.add)
        told = told_by(self, validation, lambda labels: places_among(classes, labels))
        self._fit(X, places, tuple(str(each) for each in classes.tolist()), callbacks, groups, told, cautions)
        self.classes_ = classes
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, [n]."""
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[probabilities.argmax(axis=1)])

    def predict_proba(self, X: Any) -> np.ndarray:
        """float64 [n, K], in the order of `classes_`."""
        return np.asarray(self._ask(X).probabilities)

    def discriminator_proba(self, X: Any) -> np.ndarray:
        """As `predict_proba`, but of the discriminator alone, where a committee answers."""
        return np.asarray(self._ask(X, alone=True).probabilities)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of right answers among the rows that have a label; those without are left out.

        Args:
            X: as `predict` takes it.
            y: [n], as `fit` takes it.
            sample_weight: [n], what a row counts for.

        Raises:
            InputError: if no row has a label, or X, y and weights are not of one length.
        """
        answers = self.predict(X)
        known, classes = known_classes(one_dimension(answers, y, self))
        if not known.any():
            raise InputError(f"a score needs a labelled row; none of the {len(known)} rows has a label: label some")
        weights = weights_of(answers, sample_weight, known, self)
        return float(accuracy_score(classes, answers[known], sample_weight=weights))

    def _named(self, about: stored.About) -> None:
        super()._named(about)
        self.classes_ = np.asarray(about.classes)


class SSGANRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A semi-supervised GAN's discriminator with two outputs: a value, and how real the row is.

    Args: those of `SSGANClassifier`; a committee is the mean with the teacher of values (see `teacher.teach`).

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

    def fit(
        self,
        X: Any,
        y: Any,
        callbacks: Iterable[Any] | None = (),
        groups: Any = None,
        validation: tuple[Any, Any] | None = None,
    ) -> Self:
        """Fits on all rows of X; an unlabelled row's y is None or NaN (-1 is a value).

        Args:
            X: as `SSGANClassifier.fit` takes it.
            y: [n] numbers.
            callbacks, groups, validation: as `SSGANClassifier.fit` takes them.

        Raises:
            InputError: a DataError and a ValueError: if y has no number, or one that is infinite, or X cannot be read.
        """
        X, cautions = checked(self, X, fitting=True), Cautions()
        values = value_labels(one_dimension(X, y, self), cautions.add)
        self._fit(X, values, None, callbacks, groups, told_by(self, validation, value_labels), cautions)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """float64 [n], in the unit of y."""
        return self._ask(X).answer

    def discriminator_predict(self, X: Any) -> np.ndarray:
        """As `predict`, but of the discriminator alone, where a committee answers."""
        return self._ask(X, alone=True).answer

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R2 on the rows that have a label; those without are left out.

        Args:
            X: as `predict` takes it.
            y: [n], as `fit` takes it.
            sample_weight: [n], what a row counts for.

        Raises:
            InputError: if no row has a label, or X, y and weights are not of one length.
        """
        answers = self.predict(X)
        values = value_labels(one_dimension(answers, y, self))
        known = ~np.isnan(values)
        weights = weights_of(answers, sample_weight, known, self)
        return float(r2_score(values[known], answers[known], sample_weight=weights))
