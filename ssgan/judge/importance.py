"""Which columns matter: how much worse the model gets when one of them is shuffled among the judged rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ssgan.judge.metrics import Array, ClassScorer, ValueScorer, gain
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.records import Importance, Score

REPEATS = 10  # shuffles of each column
MOST_COLUMNS = 300  # with more, none is measured
MOST_ANSWERS = 2_000_000  # rows x columns x repeats
FEWEST_ROWS = 100


def importance(artefact: Artefact, rows: pd.DataFrame, truth: Array, metric: str, seed: int) -> tuple[Importance, ...]:
    """The columns in order of how much the model errs without them, the most important first.

    The interval goes from the least to the greatest loss among the shuffles: it says how steady the number is for these
    rows, not for others. Columns that say the same thing share what they are worth: shuffling one alone loses little.

    Args:
        artefact: the model.
        rows: judged rows, as accepted.
        truth: their class numbers or values.
        metric: the one that decides; see `measured`.
        seed: of the shuffles.

    Returns:
        Nothing for images, for one column alone, and for more than `MOST_COLUMNS`.
    """
    from sklearn.inspection import permutation_importance

    names = list(artefact.contract.features)
    if artefact.contract.image is not None or not 2 <= len(names) <= MOST_COLUMNS:
        return ()
    affordable = max(FEWEST_ROWS, MOST_ANSWERS // (REPEATS * len(names)))
    if len(rows) > affordable:
        kept = np.sort(np.random.default_rng(seed).permutation(len(rows))[:affordable])
        rows, truth = rows.iloc[kept], truth[kept]
    table = rows[names].reset_index(drop=True)
    classes = len(artefact.contract.classes)
    scoring = _scoring(measured(metric, classes > 0), truth, classes)
    found = permutation_importance(
        _Answers(artefact), table, truth, scoring=scoring, n_repeats=REPEATS, random_state=seed, n_jobs=1
    )
    losses = [
        Importance(column=name, loss=Score(value=float(each.mean()), low=float(each.min()), high=float(each.max())))
        for name, each in zip(names, found.importances, strict=True)
    ]
    return tuple(sorted(losses, key=lambda each: -each.loss.value))


def measured(metric: str, classes: bool) -> str:
    """What is seen to rise: log loss for classes, for with few rows a share of right answers moves in leaps or not."""
    return "log_loss" if classes else metric


class _Answers:
    """An artefact as scikit-learn asks a model."""

    def __init__(self, artefact: Artefact) -> None:
        self._artefact = artefact

    def fit(self, X: Any, y: Any) -> None:
        """The model is fitted; scikit-learn wants the method all the same."""

    def answer(self, rows: pd.DataFrame) -> Array:
        """Probabilities [n, K] or values [n]."""
        found = self._artefact.predict_columns(frame_columns(rows, self._artefact.contract))
        return found.answer if found.probabilities is None else found.probabilities


def _scoring(metric: str, truth: Array, classes: int) -> Any:
    """The metric as a number that is better when it is larger; by the form for resamples, which is quicker."""
    scorer = ClassScorer(truth, classes) if classes else ValueScorer(truth)
    once = np.ones((1, len(truth)))

    def score(model: _Answers, rows: pd.DataFrame, _: Array) -> float:
        answers = scorer.clean(model.answer(rows))
        return float(gain(metric, scorer.resampled(answers, once, ranking=False)[metric][0], 0.0))

    return score
