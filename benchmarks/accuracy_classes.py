"""Classification of tables with few labels: the product beside eight usual methods, its twin and its committee.

    python benchmarks/accuracy_classes.py --data DIR                                  # everything; hours on one core
    python benchmarks/accuracy_classes.py --data DIR --methods ssgan twin --again     # the product's rows alone, anew

Protocol: tables.py. Balanced accuracy (macro AUC is kept beside it). Rank of a method: among the baselines and
itself, by the mean over draws, averaged over sets. Results: benchmarks/results/accuracy_classes.json.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tables
from grid import Grid, Method, main
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

TREES = 300


def scores(split: tables.Split, probabilities: np.ndarray) -> dict[str, float]:
    """Balanced accuracy and macro AUC of probabilities [test rows, K]."""
    answer, classes = probabilities.argmax(axis=1), probabilities.shape[1]
    recalls = [(answer[split.truth == each] == each).mean() for each in range(classes)]
    areas = [roc_auc_score(split.truth == each, probabilities[:, each]) for each in range(classes)]
    return {"score": float(np.mean(recalls)), "auc": float(np.mean(areas))}


def supervised(make: Callable[[int], Any]) -> Method:
    """A classifier of the labelled rows."""

    def run(split: tables.Split, seed: int) -> dict[str, float]:
        model = make(seed).fit(split.x[split.known], split.y)
        return scores(split, model.predict_proba(split.test_x))

    return run


def semi_supervised(make: Callable[[int], Any]) -> Method:
    """A classifier of all training rows, -1 = unlabelled."""

    def run(split: tables.Split, seed: int) -> dict[str, float]:
        y = np.full(len(split.x), -1)
        y[split.known] = split.y
        found = np.nan_to_num(make(seed).fit(split.x, y).predict_proba(split.test_x))  # 0/0: no labelled row in reach
        return scores(split, found)

    return run


def lightgbm(seed: int) -> Any:
    """Gradient boosting with settings for few rows."""
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=60, min_child_samples=3, random_state=seed, n_jobs=1, verbose=-1)


def fitted(split: tables.Split, seed: int, **knobs: Any) -> Any:
    """The estimator, fitted as a user would."""
    from ssgan import SSGANClassifier

    y = np.full(len(split.frame), -1)
    y[split.known] = split.y
    return SSGANClassifier(random_state=seed, **knobs).fit(split.frame, y, groups=split.groups)


def product(**knobs: Any) -> Method:
    """The discriminator alone."""
    return lambda split, seed: scores(split, fitted(split, seed, **knobs).predict_proba(split.test_frame))


def part(which: str) -> Method:
    """The discriminator, its teacher, or the committee of both: parts of the same fit, done once."""

    def run(split: tables.Split, seed: int) -> dict[str, float]:
        if _LAST.get("split") is not split:
            _LAST.update(split=split, model=fitted(split, seed, answer="committee"))
        model = _LAST["model"]
        if which == "teacher":
            return scores(split, model.committee_.teacher.answers(split.test_x))
        ask = model.predict_proba if which == "committee" else model.discriminator_proba
        return scores(split, ask(split.test_frame))

    return run


_LAST: dict[str, Any] = {}

BASELINES: dict[str, Method] = {
    "logistic": supervised(lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))),  # noqa: ARG005
    "k-NN": supervised(lambda seed: make_pipeline(StandardScaler(), KNeighborsClassifier(5))),  # noqa: ARG005
    "random forest": supervised(lambda seed: RandomForestClassifier(TREES, random_state=seed)),
    "extra trees": supervised(lambda seed: ExtraTreesClassifier(TREES, random_state=seed)),
    "HistGradientBoosting": supervised(
        lambda seed: HistGradientBoostingClassifier(max_iter=60, min_samples_leaf=3, random_state=seed)
    ),
    "LightGBM": supervised(lightgbm),
    "self-training": semi_supervised(
        lambda seed: SelfTrainingClassifier(RandomForestClassifier(60, random_state=seed), threshold=0.8)
    ),
    "label spreading": semi_supervised(
        lambda seed: make_pipeline(StandardScaler(), LabelSpreading("knn", n_neighbors=10, max_iter=100))  # noqa: ARG005
    ),
}
OURS: dict[str, Method] = {
    "ssgan": part("discriminator"),
    "committee": part("committee"),
    "twin": product(gan_weight=0.0, teacher_weight=0.0),
    "no real/fake term": product(gan_weight=0.0),
    "teacher": part("teacher"),
}
GRID = Grid("accuracy_classes", list(tables.CLASSES), (5, 10, 25, 50), 10, BASELINES, OURS, 1, "balanced accuracy")

if __name__ == "__main__":
    main(GRID, __doc__ or "")
