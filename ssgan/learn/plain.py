"""The plainer methods that a teacher is made of: makers of unfitted scikit-learn models for few labelled rows."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import copy
from typing import Any

import numpy as np

TREES, TREE_ROWS, LEAVES = 300, 4000, 150_000  # trees at most, rows per tree at most, leaves of a forest about
ROUNDS, BOOSTED_TREES = 60, 600  # of boosting: rounds at most, and trees in all (a round has one per class)
PART_TREES = 100  # of a forest of some of the labels, which teaches a model that judges and is not served
CV_TREES = 50  # of a forest whose answers only weigh it
TUNED_ON, GAUSSIAN_ROWS = 300, 1000  # rows for a Gaussian process's kernel, and for itself (its cost is their cube)
COLUMNS = 48  # encoded columns that may each have a length of their own in a kernel
ROWS_AT_ONCE = 10_000  # that a model is asked about
PATIENCE = 30  # steps in tuning those: further ones fit the noise of few rows

Make = Callable[[int, int, int], Any]  # labelled rows, outputs, seed -> an unfitted model


class GaussianProcess:
    """A Gaussian process with a kernel tuned on a part of the rows; x rows [n, F] -> values [n].

    Attributes:
        model: scikit-learn's, fitted.
    """

    def __init__(self, seed: int, each_column: bool = False) -> None:
        """`each_column`: whether columns have lengths of their own; beyond `COLUMNS` of them they share one."""
        self._seed, self._each_column = seed, each_column

    def fit(self, rows: np.ndarray, targets: np.ndarray) -> GaussianProcess:
        """Fits to at most `GAUSSIAN_ROWS` rows, chosen by lot."""
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        with quietly():
            chosen = np.random.default_rng(self._seed).permutation(len(rows))[:GAUSSIAN_ROWS]
            rows, targets = rows[chosen].astype(np.float64), targets[chosen]
            columns = rows.shape[1]
            scale = float(np.sqrt(columns))  # about the distance of two rows
            several = self._each_column and columns <= COLUMNS
            length = RBF(np.full(columns, scale) if several else scale, (scale / (10 if several else 30), scale * 100))
            kernel = ConstantKernel(1.0, (1e-2, 1e3)) * length + WhiteKernel(0.1, (1e-3 if several else 1e-4, 10))
            how: Any = {"optimizer": _patient} if several else {}
            tuned = GaussianProcessRegressor(kernel, normalize_y=True, **how)
            tuned.fit(rows[:TUNED_ON], targets[:TUNED_ON])
            self.model = GaussianProcessRegressor(tuned.kernel_, optimizer=None, normalize_y=True).fit(rows, targets)
        return self

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """The mean of the process."""
        return np.asarray(self.model.predict(rows.astype(np.float64)))


def _patient(objective: Callable[[np.ndarray], Any], start: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, float]:
    """An optimizer as scikit-learn wants it, that stops early."""
    from scipy.optimize import minimize

    found = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": PATIENCE})
    return found.x, float(found.fun)


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


def _boosted(rows: int, width: int, seed: int) -> Any:  # noqa: ARG001
    from sklearn.ensemble import HistGradientBoostingClassifier

    rounds = max(10, min(ROUNDS, BOOSTED_TREES // max(width, 1)))
    few = {"max_iter": rounds, "min_samples_leaf": 3, "early_stopping": False}
    return HistGradientBoostingClassifier(**few, class_weight="balanced", random_state=seed)


def _ridge(rows: int, width: int, seed: int) -> Any:  # noqa: ARG001
    from sklearn.linear_model import RidgeCV

    return RidgeCV(alphas=np.logspace(-2, 3, 11))


def _logistic(rows: int, width: int, seed: int) -> Any:  # noqa: ARG001
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000, class_weight="balanced")


VALUE_MEMBERS: Mapping[str, Make] = {
    "ridge": _ridge,
    "random forest": lambda rows, width, seed: _forest("RandomForestRegressor", rows, seed),  # noqa: ARG005
    "extra trees": lambda rows, width, seed: _forest("ExtraTreesRegressor", rows, seed),  # noqa: ARG005
    "Gaussian process": lambda rows, width, seed: GaussianProcess(seed),  # noqa: ARG005
    "Gaussian process by columns": lambda rows, width, seed: GaussianProcess(seed, each_column=True),  # noqa: ARG005
}
CLASS_MEMBERS: Mapping[str, Make] = {
    "logistic regression": _logistic,
    "random forest": lambda rows, width, seed: _forest("RandomForestClassifier", rows, seed),  # noqa: ARG005
    "extra trees": lambda rows, width, seed: _forest("ExtraTreesClassifier", rows, seed),  # noqa: ARG005
    "boosted trees": _boosted,
}


def answers(model: Any, rows: np.ndarray, width: int) -> np.ndarray:
    """A fitted model's answers, float64 [n, width]; a class that no labelled row has gets probability 0."""
    found = np.zeros((len(rows), width))
    for at in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(at, at + ROWS_AT_ONCE)
        if hasattr(model, "classes_"):
            found[part, model.classes_] = model.predict_proba(rows[part])
        else:
            found[part, 0] = model.predict(rows[part]).reshape(-1)
    return found


def light(model: Any, trees: int) -> Any:
    """The model, or of a forest its first trees: the forest with so few trees and the same seed."""
    if not hasattr(model, "n_estimators"):
        return model
    few = copy(model).set_params(n_estimators=min(trees, model.n_estimators))
    if hasattr(model, "estimators_"):
        few.estimators_ = model.estimators_[: few.n_estimators]
    return few


@contextmanager
def quietly() -> Iterator[None]:
    """A member on one thread, for the same bits anywhere; and a member that was stopped early is still a member.

    Several threads may be within: warnings and BLAS are the process's, so that the first to come switches them off and
    the last to go back on; OpenMP's threads are those of a thread.
    """
    import sklearn.ensemble  # noqa: F401  # loads what is to be limited
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # a dependency of scikit-learn

    def switches() -> Iterator[Any]:
        yield warnings.catch_warnings(action="ignore")
        yield threadpool_limits(limits=1, user_api="blas")

    with _QUIET.within(switches), threadpool_limits(limits=1, user_api="openmp"):
        yield


class _Shared:
    """What the first thread enters and the last one leaves."""

    def __init__(self) -> None:
        self._lock, self._inside, self._entered = threading.Lock(), 0, ExitStack()

    @contextmanager
    def within(self, contexts: Callable[[], Iterable[Any]]) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                for each in contexts():
                    self._entered.enter_context(each)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._entered.close()


_QUIET = _Shared()
