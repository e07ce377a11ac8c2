"""Plainer methods, as one function each: labelled and unlabelled rows in, a fitted scikit-learn model out.

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
from ssgan.contract import Contract
from ssgan.errors import ParamsError
from ssgan.judge.metrics import Array
from ssgan.learn.teacher import Teacher, teach

FEW_LABELS = 1000  # below it boosting takes leaves of 3 rows; scikit-learn's 20 leaves no split with few labels
NEIGHBOURS = 5


@dataclass(frozen=True)
class Task:
    """What a baseline gets: flat rows `[n, F]`, labels as `prepare` writes them, and the rows to answer."""

    x: Array
    y: Array
    labelled: Array
    groups: Array  # `[n]`, the folds that keep rows of one patient together; of labelled rows
    asked: Array
    classes: int  # 0 for a regression
    knobs: BaselinesParams

    @property
    def known(self) -> tuple[Array, Array]:
        """The labelled rows and their labels."""
        return self.x[self.labelled], self.y[self.labelled]


Method = Callable[[Task], Any]  # a fitted estimator

SPREADING, STACK = "label_spreading", "stack"


def predict(model: Any, task: Task) -> Array:
    """What a fitted model says of the asked rows: probabilities of all classes `[a, K]`, or values `[a]`.

    A class of the contract that the model has not seen gets probability 0; a row that label spreading does not reach
    gets the class shares.
    """
    if isinstance(model, Teacher):
        found = model.answers(task.asked)
        return found if task.classes else found[:, 0]
    if not task.classes:
        return np.asarray(model.predict(task.asked), np.float64)
    probabilities = np.zeros((len(task.asked), task.classes))
    if hasattr(model, "predict_proba"):
        with np.errstate(invalid="ignore"):
            probabilities[:, model.classes_] = model.predict_proba(task.asked)
    else:
        probabilities[np.arange(len(task.asked)), np.asarray(model.predict(task.asked), np.int64)] = 1.0
    shares = np.bincount(task.known[1], minlength=task.classes) / task.labelled.sum()
    return np.where(np.isnan(probabilities), shares, probabilities)


def _forest(task: Task) -> Any:
    from sklearn import ensemble

    kind = ensemble.RandomForestClassifier if task.classes else ensemble.RandomForestRegressor
    return kind(n_estimators=task.knobs.trees, random_state=task.knobs.seed, n_jobs=1)


def guess(task: Task) -> Any:
    """The class shares of the labelled rows, or their mean, for every row."""
    from sklearn import dummy

    kind = dummy.DummyClassifier(strategy="prior") if task.classes else dummy.DummyRegressor()
    return kind.fit(*task.known)


def logistic_regression(task: Task) -> Any:
    """Logistic regression with scikit-learn's L2 penalty."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(*task.known)


def ridge(task: Task) -> Any:
    """Linear regression with an L2 penalty, chosen among 13 by leave-one-out."""
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(*task.known)


def nearest_neighbours(task: Task) -> Any:
    """The five nearest labelled rows, of classes or of values."""
    from sklearn import neighbors

    kind = neighbors.KNeighborsClassifier if task.classes else neighbors.KNeighborsRegressor
    return kind(n_neighbors=min(NEIGHBOURS, int(task.labelled.sum()))).fit(*task.known)


def random_forest(task: Task) -> Any:
    """A random forest, of classes or of values."""
    return _forest(task).fit(*task.known)


def boosting(task: Task) -> Any:
    """Histogram gradient boosting, of classes or of values."""
    from sklearn import ensemble

    kind = ensemble.HistGradientBoostingClassifier if task.classes else ensemble.HistGradientBoostingRegressor
    leaf = 3 if task.labelled.sum() < FEW_LABELS else 20
    return kind(min_samples_leaf=leaf, random_state=task.knobs.seed).fit(*task.known)


def stack(task: Task) -> Teacher:
    """What the SSGAN of a table takes lessons from, by itself: linear models, forests and more, stacked.

    It learns from the labelled rows alone, so it says how much of what the SSGAN knows it owes to the unlabelled ones.
    Under crossfit its forests are larger than those of the SSGAN's own teachers (see `learn/fits.py`).
    """
    x, y = task.known
    return teach(np.asarray(x, np.float32), y, task.classes, task.knobs.seed, task.groups[task.labelled])


def self_training(task: Task) -> Any:
    """The traditional way: train a forest, predict the missing labels, train again.

    Of classes only sure predictions are kept, and it goes on while there are any: up to eleven full forests, the
    slowest baseline by far, but with smaller ones it would be an unfair comparison. Of values all are kept, once.
    """
    from sklearn.semi_supervised import SelfTrainingClassifier

    if task.labelled.all():
        raise ValueError("every training row has a label, so there is none to predict")
    rows = rows_within(task.labelled, task.knobs)
    x, y, labelled = task.x[rows], task.y[rows], task.labelled[rows]
    if task.classes:
        return SelfTrainingClassifier(estimator=_forest(task)).fit(x, y)
    filled = y.copy()
    filled[~labelled] = _forest(task).fit(*task.known).predict(x[~labelled])
    return _forest(task).fit(x, filled)


def label_spreading(task: Task) -> Any:
    """Labels spread along a graph of 10 nearest neighbours."""
    from sklearn.semi_supervised import LabelSpreading

    rows = rows_within(task.labelled, task.knobs)
    model = LabelSpreading(kernel="knn", n_neighbors=min(10, len(rows) - 1))
    with np.errstate(invalid="ignore"):
        return model.fit(task.x[rows], task.y[rows])


def rows_within(labelled: Array, knobs: BaselinesParams) -> Array:
    """Row numbers: every labelled row, and by lot as many unlabelled ones as the knob allows."""
    unlabelled = np.flatnonzero(~labelled)
    room = max(0, knobs.semi_supervised_rows_at_most - int(labelled.sum()))
    chosen = np.random.default_rng(knobs.seed).permutation(unlabelled)[:room]
    return np.sort(np.concatenate([np.flatnonzero(labelled), chosen]))


def learned_rows(name: str, labelled: Array, knobs: BaselinesParams) -> int:
    """How many training rows a method learns from, labelled or not."""
    return len(rows_within(labelled, knobs)) if name in CAPPED else int(labelled.sum())


CLASSIFIERS: dict[str, Method] = {
    "majority": guess,
    "logistic_regression": logistic_regression,
    "nearest_neighbours": nearest_neighbours,
    "random_forest": random_forest,
    "boosting": boosting,
    STACK: stack,
    "self_training": self_training,
    SPREADING: label_spreading,
}
CAPPED = ("self_training", SPREADING)  # that learn from a part of the rows where there are many
REGRESSORS: dict[str, Method] = {
    "mean": guess,
    "ridge": ridge,
    "nearest_neighbours": nearest_neighbours,
    "random_forest": random_forest,
    "boosting": boosting,
    STACK: stack,
    "self_training": self_training,
}


def methods(contract: Contract, more: Mapping[str, str]) -> dict[str, Method]:
    """Every method of the task by name, the user's last.

    Args:
        contract: classes or values; of images there is no stack, for their SSGAN takes no lessons.
        more: import paths of scikit-learn estimators by name, see `theirs`.

    Raises:
        ParamsError: if a path leads to no estimator, or a name is taken.
    """
    ours = {**(CLASSIFIERS if contract.classes else REGRESSORS)}
    if contract.image is not None:
        del ours[STACK]
    taken = sorted(more.keys() & ours.keys())
    if taken:
        raise ParamsError(f"params.yaml: baselines.more names {taken[0]!r}, which is a baseline already; rename it")
    return {**ours, **{name: theirs(path, bool(contract.classes)) for name, path in more.items()}}


def theirs(path: str, classes: bool) -> Method:
    """A scikit-learn estimator of the user's, learned from the labelled rows.

    Args:
        path: `package.module.Class`, or a function that returns an estimator; called without arguments, but for
            `random_state` where it takes one.
        classes: whether the label has classes.

    Raises:
        ParamsError: if there is no such thing, if it cannot be called so, or if it is no estimator of the task.
    """
    module, _, name = path.rpartition(".")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ParamsError(
            f"params.yaml: baselines.more names {path!r}, which cannot be imported ({error}); give it as "
            "package.module.Class, such as sklearn.svm.SVC, of a package that is installed beside ssgan"
        ) from None
    _check_theirs(path, _made(path, make, 0), classes)

    def method(task: Task) -> Any:
        model = _made(path, make, task.knobs.seed)
        try:
            return model.fit(*task.known)
        except Exception as error:  # of somebody else's code: a reason to leave it out, not to stop the others
            raise ValueError(f"{type(error).__name__}: {error}") from error

    return method


def _made(path: str, make: Any, seed: int) -> Any:
    try:
        seeded = "random_state" in inspect.signature(make).parameters
        return make(random_state=seed) if seeded else make()
    except Exception as error:  # of somebody else's code
        raise ParamsError(
            f"params.yaml: baselines.more names {path!r}, which cannot be called without arguments ({error}); name a "
            "function of yours that returns the estimator"
        ) from None


def _check_theirs(path: str, model: Any, classes: bool) -> None:
    from sklearn.base import is_classifier, is_regressor

    named = f"params.yaml: baselines.more names {path!r}, which"
    if not (hasattr(model, "fit") and (hasattr(model, "predict") or hasattr(model, "predict_proba"))):
        raise ParamsError(
            f"{named} has no `fit` and `predict` and so is no estimator; name one, such as sklearn.svm.SVC"
        )
    if is_regressor(model) if classes else is_classifier(model):
        kinds = ("answers with values", "classes") if classes else ("answers with classes", "values")
        raise ParamsError(f"{named} {kinds[0]}, but the label has {kinds[1]}; name an estimator for {kinds[1]}")
