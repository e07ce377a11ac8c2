"""Values of tables with few labels: the product beside six usual methods, its twin and its committee.

    python benchmarks/accuracy_values.py --data DIR                                  # everything
    python benchmarks/accuracy_values.py --data DIR --methods ssgan twin --again     # the product's rows alone, anew

Protocol: tables.py. Root mean squared error over the test rows' deviation: 1 is what predicting their mean gives.
Rank of a method: among the baselines and itself, by the mean over draws, averaged over sets. Results:
benchmarks/results/accuracy_values.json. Parkinsons is split by patient, and no method predicts it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tables
from grid import Grid, Method, main
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TREES = 300


def scores(split: tables.Split, values: np.ndarray) -> dict[str, float]:
    """RMSE and mean absolute error, both over the test rows' deviation."""
    error, scale = values - split.truth, split.truth.std()
    return {"score": float(np.sqrt(np.mean(error**2)) / scale), "mae": float(np.mean(np.abs(error)) / scale)}


def supervised(make: Callable[[int], Any]) -> Method:
    """A regressor of the labelled rows; the target is standardised."""

    def run(split: tables.Split, seed: int) -> dict[str, float]:
        mean, scale = split.y.mean(), split.y.std() or 1.0
        model = make(seed).fit(split.x[split.known], (split.y - mean) / scale)
        return scores(split, np.asarray(model.predict(split.test_x)) * scale + mean)

    return run


def gaussian_process(seed: int) -> Any:
    """One length for all columns, and noise."""
    kernel = ConstantKernel(1.0) * RBF(3.0, (0.1, 100.0)) + WhiteKernel(0.1, (1e-3, 10.0))
    return GaussianProcessRegressor(kernel, n_restarts_optimizer=1, random_state=seed)


def fitted(split: tables.Split, seed: int, **knobs: Any) -> Any:
    """The estimator, fitted as a user would."""
    from ssgan import SSGANRegressor

    y = np.full(len(split.frame), np.nan)
    y[split.known] = split.y
    return SSGANRegressor(random_state=seed, **knobs).fit(split.frame, y, groups=split.groups)


def product(**knobs: Any) -> Method:
    """The discriminator alone."""
    return lambda split, seed: scores(split, fitted(split, seed, **knobs).predict(split.test_frame))


def part(which: str) -> Method:
    """The discriminator, its teacher, or the committee of both: parts of the same fit, done once."""

    def run(split: tables.Split, seed: int) -> dict[str, float]:
        if _LAST.get("split") is not split:
            _LAST.update(split=split, model=fitted(split, seed, answer="committee"))
        model = _LAST["model"]
        if which == "teacher":
            said = model.committee_.teacher.answers(split.test_x)[:, 0]
            return scores(split, said * split.y.std() + split.y.mean())
        ask = model.predict if which == "committee" else model.discriminator_predict
        return scores(split, ask(split.test_frame))

    return run


_LAST: dict[str, Any] = {}

BASELINES: dict[str, Method] = {
    "ridge": supervised(lambda seed: make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 3, 11)))),  # noqa: ARG005
    "k-NN": supervised(lambda seed: make_pipeline(StandardScaler(), KNeighborsRegressor(5))),  # noqa: ARG005
    "random forest": supervised(lambda seed: RandomForestRegressor(TREES, random_state=seed)),
    "extra trees": supervised(lambda seed: ExtraTreesRegressor(TREES, random_state=seed)),
    "HistGradientBoosting": supervised(
        lambda seed: HistGradientBoostingRegressor(max_iter=100, min_samples_leaf=5, random_state=seed)
    ),
    "Gaussian process": supervised(gaussian_process),
}
OURS: dict[str, Method] = {
    "ssgan": part("discriminator"),
    "committee": part("committee"),
    "twin": product(gan_weight=0.0, teacher_weight=0.0),
    "no real/fake term": product(gan_weight=0.0),
    "teacher": part("teacher"),
}
GRID = Grid("accuracy_values", list(tables.VALUES), (50, 100, 200), 10, BASELINES, OURS, -1, "RMSE / deviation")

if __name__ == "__main__":
    main(GRID, __doc__ or "")
