"""Plainer methods, as one function each: rows in, answers to other rows out.

Supervised ones learn from the labelled rows; self-training and label spreading use the unlabelled rows as well, so that
the SSGAN is compared with other ways to use them. Every forest and every choice of rows is seeded, and all run on one
thread, so that equal input gives equal bytes.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssgan.config import BaselinesParams
from ssgan.errors import ParamsError
from ssgan.judge.metrics import Array

FEW_LABELS = 1000  # below it boosting takes leaves of 3 rows; scikit-learn's 20 leaves no split with few labels
NEIGHBOURS = 5


@dataclass(frozen=True)
class Task:
    """What a baseline gets: flat rows `[n, F]`, labels as `prepare` writes them, and the rows to answer."""

    x: Array
    y: Array
    labelled: Array
    asked: Array
    classes: int  # 0 for a regression
    knobs: BaselinesParams

    @property
    def known(self) -> tuple[Array, Array]:
        """The labelled rows and their labels."""
        return self.x[self.labelled], self.y[self.labelled]


Baseline = Callable[[Task], Array]


def _fitted(model: Any, task: Task, x: Array, y: Array) -> Array:
    """Fits a classifier and spreads its probabilities over all classes of the contract, seen or not."""
    model.fit(x, y)
    probabilities = np.zeros((len(task.asked), task.classes))
    probabilities[:, model.classes_] = model.predict_proba(task.asked)
    return probabilities


def _forest(task: Task) -> Any:
    from sklearn import ensemble

    kind = ensemble.RandomForestClassifier if task.classes else ensemble.RandomForestRegressor
    return kind(n_estimators=task.knobs.trees, random_state=task.knobs.seed, n_jobs=1)


def _boosted(task: Task) -> dict[str, Any]:
    leaf = 3 if task.labelled.sum() < FEW_LABELS else 20
    return {"min_samples_leaf": leaf, "random_state": task.knobs.seed}


def majority(task: Task) -> Array:
    """The class shares of the labelled rows, for every row."""
    shares = np.bincount(task.known[1], minlength=task.classes) / task.labelled.sum()
    return np.tile(shares, (len(task.asked), 1))


def logistic_regression(task: Task) -> Array:
    """Logistic regression with scikit-learn's L2 penalty."""
    from sklearn.linear_model import LogisticRegression

    return _fitted(LogisticRegression(max_iter=1000), task, *task.known)


def random_forest(task: Task) -> Array:
    """A random forest, of classes or of values."""
    if task.classes:
        return _fitted(_forest(task), task, *task.known)
    return np.asarray(_forest(task).fit(*task.known).predict(task.asked))


def boosting(task: Task) -> Array:
    """Histogram gradient boosting, of classes or of values."""
    from sklearn import ensemble

    if task.classes:
        return _fitted(ensemble.HistGradientBoostingClassifier(**_boosted(task)), task, *task.known)
    model = ensemble.HistGradientBoostingRegressor(**_boosted(task))
    return np.asarray(model.fit(*task.known).predict(task.asked))


def nearest_neighbours(task: Task) -> Array:
    """The five nearest labelled rows, the nearer the weightier; of classes or of values."""
    from sklearn import neighbors

    count = {"n_neighbors": min(NEIGHBOURS, int(task.labelled.sum())), "weights": "distance"}
    if task.classes:
        return _fitted(neighbors.KNeighborsClassifier(**count), task, *task.known)
    return np.asarray(neighbors.KNeighborsRegressor(**count).fit(*task.known).predict(task.asked))


def self_training_classes(task: Task) -> Array:
    """The traditional way: train a forest, predict the missing labels, keep the sure ones, train again.

    Up to eleven full forests: the slowest baseline by far, but with smaller ones it would be an unfair comparison.
    """
    from sklearn.semi_supervised import SelfTrainingClassifier

    if task.labelled.all():
        raise ValueError("every training row has a label, so there is none to predict")
    return _fitted(SelfTrainingClassifier(estimator=_forest(task)), task, task.x, task.y)


def label_spreading(task: Task) -> Array:
    """Labels spread along a graph of 10 nearest neighbours; a test row that no label reaches gets the class shares."""
    from sklearn.semi_supervised import LabelSpreading

    rows = spreading_rows(task.labelled, task.knobs)
    model = LabelSpreading(kernel="knn", n_neighbors=min(10, len(rows) - 1))
    with np.errstate(invalid="ignore"):
        probabilities = _fitted(model, task, task.x[rows], task.y[rows])
    return np.where(np.isnan(probabilities), majority(task), probabilities)


def spreading_rows(labelled: Array, knobs: BaselinesParams) -> Array:
    """Row numbers for label spreading: every labelled row, and by lot as many unlabelled ones as the knob allows."""
    unlabelled = np.flatnonzero(~labelled)
    room = max(0, knobs.spreading_rows_at_most - int(labelled.sum()))
    chosen = np.random.default_rng(knobs.seed).permutation(unlabelled)[:room]
    return np.sort(np.concatenate([np.flatnonzero(labelled), chosen]))


def mean(task: Task) -> Array:
    """The mean of the known values, for every row."""
    return np.full(len(task.asked), task.known[1].mean())


def ridge(task: Task) -> Array:
    """Linear regression with an L2 penalty, chosen among 13 by leave-one-out."""
    from sklearn.linear_model import RidgeCV

    return np.asarray(RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(*task.known).predict(task.asked))


def self_training_values(task: Task) -> Array:
    """The traditional way: train a forest, predict the missing values, train again on all rows."""
    if task.labelled.all():
        raise ValueError("every training row has a label, so there is none to predict")
    filled = task.y.copy()
    filled[~task.labelled] = _forest(task).fit(*task.known).predict(task.x[~task.labelled])
    return np.asarray(_forest(task).fit(task.x, filled).predict(task.asked))


CLASSIFIERS: dict[str, Baseline] = {
    "majority": majority,
    "logistic_regression": logistic_regression,
    "nearest_neighbours": nearest_neighbours,
    "random_forest": random_forest,
    "boosting": boosting,
    "self_training": self_training_classes,
    "label_spreading": label_spreading,
}
REGRESSORS: dict[str, Baseline] = {
    "mean": mean,
    "ridge": ridge,
    "nearest_neighbours": nearest_neighbours,
    "random_forest": random_forest,
    "boosting": boosting,
    "self_training": self_training_values,
}


def methods(classes: int, more: Mapping[str, str]) -> dict[str, Baseline]:
    """Every method of the task by name, the user's last.

    Args:
        classes: K; 0 for values.
        more: import paths of scikit-learn estimators by name, see `theirs`.

    Raises:
        ParamsError: if a path leads to no estimator, or a name is taken.
    """
    ours = CLASSIFIERS if classes else REGRESSORS
    taken = sorted(more.keys() & ours.keys())
    if taken:
        raise ParamsError(f"params.yaml: baselines.more names {taken[0]!r}, which is a baseline already; rename it")
    return {**ours, **{name: theirs(path) for name, path in more.items()}}


def theirs(path: str) -> Baseline:
    """A scikit-learn estimator of the user's as a baseline.

    Args:
        path: `package.module.Class`, or a function that returns an estimator; called without arguments, but for
            `random_state` where it takes one.

    Raises:
        ParamsError: if there is no such thing.
    """
    module, _, name = path.rpartition(".")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ParamsError(
            f"params.yaml: baselines.more names {path!r}, which cannot be imported ({error}); give it as "
            "package.module.Class, such as sklearn.svm.SVC"
        ) from None

    def method(task: Task) -> Array:
        seeded = "random_state" in inspect.signature(make).parameters
        model = make(random_state=task.knobs.seed) if seeded else make()
        if not task.classes:
            return np.asarray(model.fit(*task.known).predict(task.asked))
        if hasattr(model, "predict_proba"):
            return _fitted(model, task, *task.known)
        guess = np.asarray(model.fit(*task.known).predict(task.asked), np.int64)
        return np.asarray(np.eye(task.classes)[guess])

    return method
