"""Teachers: what plainer methods make of the labelled rows alone, weighted by cross-validation on them.

A discriminator of values learns their answers on unlabelled rows, and a committee has them as members. Classes and
values differ in who the members are and in nothing else: the targets of classes are one-hot rows, and the error of
both is the mean square.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

FOLDS = 5  # of the cross-validation; 3 above half of CV_ROWS
CV_ROWS = 2000  # labelled rows that take part in it
SHARPNESS = 10.0  # of the weights: 10 % more error than the best is 1/e of its weight
LEAST_WEIGHT = 0.01  # a member below it is left out: it costs time and bytes and says nothing
TREES, TREE_ROWS, LEAVES = 300, 4000, 150_000  # trees at most, rows per tree at most, leaves of a forest about
CV_TREES = 100  # at most, in the cross-validation
TUNED_ON, GAUSSIAN_ROWS = 300, 1000  # rows for a Gaussian process's kernel, and for itself (its cost is their cube)
ROWS_AT_ONCE = 10_000

Make = Callable[[int, int], Any]  # labelled rows, seed -> an unfitted model


@dataclass(frozen=True)
class Member:
    """A fitted model and its share of the answer."""

    name: str
    weight: float
    model: Any  # scikit-learn's


@dataclass(frozen=True)
class Teacher:
    """The weighted mean of its members."""

    members: tuple[Member, ...]
    width: int  # K classes, or 1 for a value

    def answers(self, x: np.ndarray) -> np.ndarray:
        """Encoded rows -> float64 probabilities [n, K], or values [n, 1] in the unit of the targets."""
        rows = x.reshape(len(x), -1)
        found = np.zeros((len(x), self.width))
        for at in range(0, len(x), ROWS_AT_ONCE):
            part = rows[at : at + ROWS_AT_ONCE]
            for member in self.members:
                found[at : at + len(part)] += member.weight * answers(member.model, part, self.width)
        return found


def teach(
    x_labelled: np.ndarray, targets: np.ndarray, x_unlabelled: np.ndarray, seed: int, classes: int = 0
) -> np.ndarray:
    """What the teacher says about the unlabelled rows.

    Args:
        x_labelled: encoded rows, float32 [m, ...].
        targets: float [m] values in any unit, or int [m] numbers of classes.
        x_unlabelled: encoded rows, float32 [n, ...].
        seed: equal seeds give equal bits.
        classes: K; 0 for values.

    Returns:
        float32 [n] values, or [n, K] probabilities of classes of equal shares.
    """
    if classes:
        return class_teacher(x_labelled, targets, classes, seed).answers(x_unlabelled).astype(np.float32)
    return value_teacher(x_labelled, targets, seed).answers(x_unlabelled)[:, 0].astype(np.float32)


def lessons(x: np.ndarray, y: np.ndarray, known: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """What the teacher says about every row, labelled or not: what `Head.goal` takes.

    Args:
        x: encoded rows, float32 [n, ...].
        y: labels [n], of which those of unlabelled rows are not looked at.
        known: bool [n], which rows are labelled.
        classes: K; 0 for values.
        seed: equal seeds give equal bits.
    """
    return teach(x[known], y[known], x, seed, classes)


def value_teacher(x: np.ndarray, targets: np.ndarray, seed: int) -> Teacher:
    """Ridge, random forest, extra trees and Gaussian process, weighted by their errors on held-out labelled rows."""
    return _teacher(VALUE_MEMBERS, x, np.asarray(targets, np.float64), 1, seed)


def class_teacher(x: np.ndarray, targets: np.ndarray, classes: int, seed: int) -> Teacher:
    """Forests, boosted trees and logistic regression of balanced classes, weighted in the same way."""
    return _teacher(CLASS_MEMBERS, x, np.asarray(targets, np.int64), classes, seed)


def class_forests(x: np.ndarray, targets: np.ndarray, classes: int, seed: int) -> Teacher:
    """The mean of a random forest and extra trees of balanced classes, without cross-validation."""
    names = ("random forest", "extra trees")
    rows, targets = x.reshape(len(x), -1), np.asarray(targets, np.int64)
    with _quietly():
        fitted = [CLASS_MEMBERS[name](len(rows), seed).fit(rows, targets) for name in names]
    return Teacher(tuple(Member(name, 0.5, model) for name, model in zip(names, fitted, strict=True)), classes)


def answers(model: Any, rows: np.ndarray, width: int) -> np.ndarray:
    """A fitted model's answers, float64 [n, width]; a class that no labelled row has gets probability 0."""
    if not hasattr(model, "classes_"):
        return np.asarray(model.predict(rows), np.float64).reshape(-1, 1)
    spread = np.zeros((len(rows), width))
    spread[:, model.classes_] = model.predict_proba(rows)
    return spread


def _teacher(makers: Mapping[str, Make], x: np.ndarray, targets: np.ndarray, width: int, seed: int) -> Teacher:
    rows = x.reshape(len(x), -1)
    if len(rows) == 1 or (targets == targets[0]).all():  # nothing to tell apart: every member would say the same
        makers = {name: make for name, make in makers.items() if name == "extra trees"}
    with _quietly():
        weights = _weights(makers, rows, targets, width, seed)
        chosen = {name: weight for name, weight in weights.items() if weight >= LEAST_WEIGHT}
        whole = sum(chosen.values())
        return Teacher(
            tuple(
                Member(name, weight / whole, makers[name](len(rows), seed).fit(rows, targets))
                for name, weight in chosen.items()
            ),
            width,
        )


def _weights(
    makers: Mapping[str, Make], rows: np.ndarray, targets: np.ndarray, width: int, seed: int
) -> dict[str, float]:
    """exp(-10 (e - e_best) / e_best), normalised; e is the mean squared error on held-out labelled rows."""
    if len(makers) == 1 or len(rows) < 4:
        return dict.fromkeys(makers, 1 / len(makers))
    chosen = np.random.default_rng(seed).permutation(len(rows))[:CV_ROWS]
    rows, targets = rows[chosen], targets[chosen]
    wanted = np.eye(width)[targets] if width > 1 else targets[:, None]
    folds = _folds(targets, width)
    if folds.max() < 0:
        return dict.fromkeys(makers, 1 / len(makers))
    errors = []
    for make in makers.values():
        squares = np.zeros(len(rows))
        for fold in range(folds.max() + 1):
            held = folds == fold
            model = make(len(rows), seed)
            if hasattr(model, "n_estimators"):
                model.set_params(n_estimators=min(CV_TREES, model.n_estimators))
            found = answers(model.fit(rows[~held], targets[~held]), rows[held], width)
            squares[held] = ((found - wanted[held]) ** 2).sum(axis=1)
        errors.append(squares[folds >= 0].mean())
    best = max(min(errors), 1e-12)
    raw = np.exp(-SHARPNESS * (np.asarray(errors) - best) / best)
    return dict(zip(makers, (raw / raw.sum()).tolist(), strict=True))


def _folds(targets: np.ndarray, width: int) -> np.ndarray:
    """The fold of each of the rows, which are in random order; every class is spread over the folds.

    A class with one row keeps it for training, in no fold (-1): without it there is nothing to be judged.
    """
    count = min(FOLDS if len(targets) <= CV_ROWS // 2 else 3, len(targets))
    if width == 1:
        return np.arange(len(targets)) % count
    folds = np.full(len(targets), -1)
    rows_of = (np.flatnonzero(targets == each) for each in range(width))
    places = [rows for rows in rows_of if len(rows) > 1]
    if places:
        held = np.concatenate(places)
        folds[held] = np.arange(len(held)) % count
    return folds


class GaussianProcess:
    """A Gaussian process with a kernel tuned on a part of the rows; x rows [n, F] -> values [n].

    Attributes:
        model: scikit-learn's, fitted.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def fit(self, rows: np.ndarray, targets: np.ndarray) -> GaussianProcess:
        """Fits to at most `GAUSSIAN_ROWS` rows, chosen by lot."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        with _quietly():
            chosen = np.random.default_rng(self._seed).permutation(len(rows))[:GAUSSIAN_ROWS]
            rows, targets = rows[chosen].astype(np.float64), targets[chosen]
            scale = float(np.sqrt(rows.shape[1]))  # about the distance of two rows
            kernel = ConstantKernel(1.0, (1e-2, 1e3)) * RBF(scale, (scale / 30, scale * 100)) + WhiteKernel(
                0.1, (1e-4, 10)
            )
            tuned = GaussianProcessRegressor(kernel, normalize_y=True).fit(rows[:TUNED_ON], targets[:TUNED_ON])
            self.model = GaussianProcessRegressor(tuned.kernel_, optimizer=None, normalize_y=True).fit(rows, targets)
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The mean of the process."""
        return np.asarray(self.model.predict(rows.astype(np.float64)))


def _forest(kind: str, rows: int, seed: int) -> Any:
    """A forest that stays small however many rows are labelled: about `LEAVES` leaves, for speed and for the export."""
    from sklearn import ensemble

    few = min(rows, TREE_ROWS)
    about: dict[str, Any] = {"n_estimators": max(40, min(TREES, LEAVES // few)), "random_state": seed}
    if rows > TREE_ROWS:
        about |= {"bootstrap": True, "max_samples": TREE_ROWS / rows}
    if kind.endswith("Classifier"):
        about |= {"class_weight": "balanced"}  # as the discriminator sees the classes
    return getattr(ensemble, kind)(**about)


def _boosted(rows: int, seed: int) -> Any:  # noqa: ARG001
    from sklearn.ensemble import HistGradientBoostingClassifier

    few = {"max_iter": 60, "min_samples_leaf": 3, "early_stopping": False}
    return HistGradientBoostingClassifier(**few, class_weight="balanced", random_state=seed)


def _ridge(rows: int, seed: int) -> Any:  # noqa: ARG001
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=np.logspace(-2, 3, 11))


def _logistic(rows: int, seed: int) -> Any:  # noqa: ARG001
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, class_weight="balanced")


VALUE_MEMBERS: Mapping[str, Make] = {
    "ridge": _ridge,
    "random forest": lambda rows, seed: _forest("RandomForestRegressor", rows, seed),
    "extra trees": lambda rows, seed: _forest("ExtraTreesRegressor", rows, seed),
    "Gaussian process": lambda rows, seed: GaussianProcess(seed),  # noqa: ARG005
}
CLASS_MEMBERS: Mapping[str, Make] = {
    "logistic regression": _logistic,
    "random forest": lambda rows, seed: _forest("RandomForestClassifier", rows, seed),
    "extra trees": lambda rows, seed: _forest("ExtraTreesClassifier", rows, seed),
    "boosted trees": lambda rows, seed: _boosted(rows, seed),
}


@contextmanager
def _quietly() -> Iterator[None]:
    """On one thread, for the same bits anywhere; a member stopped early is still a member."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # a dependency of scikit-learn

    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("ignore")
        yield
