"""The stage `baselines`: what plainer methods answer on the same test rows, from the same numbers as the SSGAN.

Supervised ones learn from the labelled rows; self-training and label spreading use the unlabelled rows as well, so that
the SSGAN is compared with other ways to use them. Every forest and every choice of rows is seeded, and all run on one
thread, so that equal input gives equal bytes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssgan.config import BaselinesParams, read_params
from ssgan.judge.metrics import Array
from ssgan.judge.prepared import Prepared, read_prepared
from ssgan.judge.words import title
from ssgan.learn.encode import Encoder
from ssgan.progress import say
from ssgan.project import Project

FEW_LABELS = 1000  # below it boosting takes leaves of 3 rows; scikit-learn's 20 leaves no split with few labels


@dataclass(frozen=True)
class Task:
    """What a baseline gets: flat rows `[n, F]`, labels as `prepare` writes them, and the test rows to answer."""

    x: Array
    y: Array
    labelled: Array
    test: Array
    classes: int  # 0 for a regression
    knobs: BaselinesParams

    @property
    def known(self) -> tuple[Array, Array]:
        """The labelled rows and their labels."""
        return self.x[self.labelled], self.y[self.labelled]


Baseline = Callable[[Task], Array]


def baselines(project: Project) -> None:
    """Trains every baseline of the task and writes its answers to `reports/baselines.npz`.

    A baseline that cannot learn from these rows is left out; its reason is stored in its place as `<name>.reason`.
    """
    task = read_task(project)
    kind, methods = ("probabilities", CLASSIFIERS) if task.classes else ("values", REGRESSORS)
    stored: dict[str, Array] = {}
    for number, (name, method) in enumerate(methods.items(), start=1):
        say(f"baselines: {title(name)} ({number} of {len(methods)})")
        try:
            stored[f"{name}.{kind}"] = answer(method, task)
        except (ValueError, ArithmeticError, MemoryError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            say(f"baselines: {title(name)} is left out: {reason}")
            stored[f"{name}.reason"] = np.array(reason)
    _store(project, stored)
    learned = sum(name.endswith(f".{kind}") for name in stored)
    say(f"baselines: {learned} of {len(methods)} learned from {int(task.labelled.sum())} labelled rows")


def read_task(project: Project) -> Task:
    """The rows of `data/prepared` as the baselines see them: encoded as for the SSGAN, images flattened."""
    prepared = read_prepared(project)
    encoder = Encoder.from_json((prepared.folder / "encoder.json").read_text(encoding="utf-8"))
    knobs = read_params(project.params).baselines
    return Task(
        x=_flat(prepared.x),
        y=prepared.y,
        labelled=prepared.labelled,
        test=_flat(encoder.encode_columns(prepared.test_columns())),
        classes=len(prepared.contract.classes),
        knobs=knobs,
    )


def answer(method: Baseline, task: Task) -> Array:
    """A baseline's answers on one thread, as float64, checked to be finite.

    Raises:
        ValueError: if the method cannot learn from these rows.
    """
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # a dependency of scikit-learn

    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline stopped early is still a baseline
        found = np.asarray(method(task), dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError("its answers are not all finite numbers")
    return found


def stored_answers(project: Project, prepared: Prepared) -> tuple[dict[str, Array], dict[str, str]]:
    """What `baselines` wrote: the answers per baseline, and the reason per baseline that is left out."""
    answers: dict[str, Array] = {}
    reasons: dict[str, str] = {}
    with np.load(project.baselines, allow_pickle=False) as stored:
        for key in stored.files:
            name, kind = key.rsplit(".", 1)
            if kind == "reason":
                reasons[name] = str(stored[key])
            elif len(stored[key]) == len(prepared.truth):
                answers[name] = stored[key]
            else:
                reasons[name] = "its answers are about other test rows; run `ssgan baselines` again"
    return answers, reasons


def _flat(x: Array) -> Array:
    return np.asarray(x.reshape(len(x), -1), dtype=np.float64)


def _store(project: Project, stored: dict[str, Array]) -> None:
    path = project.baselines
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **stored)
    fresh.replace(path)


def _fitted(model: Any, task: Task, x: Array, y: Array) -> Array:
    """Fits a classifier and spreads its probabilities over all classes of the contract, seen or not."""
    model.fit(x, y)
    probabilities = np.zeros((len(task.test), task.classes))
    probabilities[:, model.classes_] = model.predict_proba(task.test)
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
    return np.tile(shares, (len(task.test), 1))


def logistic_regression(task: Task) -> Array:
    """Logistic regression with scikit-learn's L2 penalty."""
    from sklearn.linear_model import LogisticRegression

    return _fitted(LogisticRegression(max_iter=1000), task, *task.known)


def random_forest(task: Task) -> Array:
    """A random forest, of classes or of values."""
    if task.classes:
        return _fitted(_forest(task), task, *task.known)
    return np.asarray(_forest(task).fit(*task.known).predict(task.test))


def boosting(task: Task) -> Array:
    """Histogram gradient boosting, of classes or of values."""
    from sklearn import ensemble

    if task.classes:
        return _fitted(ensemble.HistGradientBoostingClassifier(**_boosted(task)), task, *task.known)
    model = ensemble.HistGradientBoostingRegressor(**_boosted(task))
    return np.asarray(model.fit(*task.known).predict(task.test))


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
    return np.full(len(task.test), task.known[1].mean())


def ridge(task: Task) -> Array:
    """Linear regression with an L2 penalty, chosen among 13 by leave-one-out."""
    from sklearn.linear_model import RidgeCV

    return np.asarray(RidgeCV(alphas=np.logspace(-3, 3, 13)).fit(*task.known).predict(task.test))


def self_training_values(task: Task) -> Array:
    """The traditional way: train a forest, predict the missing values, train again on all rows."""
    if task.labelled.all():
        raise ValueError("every training row has a label, so there is none to predict")
    filled = task.y.copy()
    filled[~task.labelled] = _forest(task).fit(*task.known).predict(task.x[~task.labelled])
    return np.asarray(_forest(task).fit(task.x, filled).predict(task.test))


CLASSIFIERS: dict[str, Baseline] = {
    "majority": majority,
    "logistic_regression": logistic_regression,
    "random_forest": random_forest,
    "boosting": boosting,
    "self_training": self_training_classes,
    "label_spreading": label_spreading,
}
REGRESSORS: dict[str, Baseline] = {
    "mean": mean,
    "ridge": ridge,
    "random_forest": random_forest,
    "boosting": boosting,
    "self_training": self_training_values,
}
