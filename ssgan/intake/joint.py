"""Joint drift: can a classifier tell new rows from accepted ones, even where every column by itself looks alike?"""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa

from ssgan.contract import CategoryColumn, Contract, ImageColumn
from ssgan.intake.drift import auc_chance

LEAST_ROWS = 50  # of each side; with fewer, a classifier learns nothing that would count
_SIDE = 8  # pixels of an image that a classifier looks at, each way


def joint_drift(new: pa.Table | None, accepted: pa.Table | None, contract: Contract) -> tuple[float, float] | None:
    """(AUC of a random forest on rows it has not seen, AUC that chance allows), or None with too few rows.

    Classifier two-sample test (Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017), two folds.
    """
    if new is None or accepted is None or min(new.num_rows, accepted.num_rows) < LEAST_ROWS:
        return None
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score

    x = np.concatenate([_matrix(new, contract), _matrix(accepted, contract)])
    y = np.repeat([1, 0], [new.num_rows, accepted.num_rows])
    order = np.random.default_rng(0).permutation(len(y))
    x, y, scores = x[order], y[order], np.empty(len(y))
    for fold in (0, 1):
        test = np.arange(len(y)) % 2 == fold
        model = RandomForestClassifier(60, min_samples_leaf=4, random_state=0, n_jobs=1)
        scores[test] = model.fit(x[~test], y[~test]).predict_proba(x[test])[:, 1]
    folds = [np.arange(len(y)) % 2 == fold for fold in (0, 1)]
    auc = float(np.mean([roc_auc_score(y[test], scores[test]) for test in folds]))
    return auc, auc_chance(new.num_rows, accepted.num_rows)


def _matrix(rows: pa.Table, contract: Contract) -> np.ndarray:
    columns: list[np.ndarray] = []
    for name, rule in contract.features.items():
        cells = rows.column(name)
        if isinstance(rule, ImageColumn):
            return np.stack([_small(cell) for cell in cells.to_pylist()])
        if isinstance(rule, CategoryColumn):
            places = {word: float(place) for place, word in enumerate(rule.values)}
            columns.append(np.array([places.get(word, np.nan) for word in cells.to_pylist()]))
        else:
            columns.append(np.asarray(cells.to_numpy(), np.float64))
    return np.stack(columns, axis=1)


def _small(png: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return np.asarray(image.convert("L").resize((_SIDE, _SIDE)), np.float64).ravel()
