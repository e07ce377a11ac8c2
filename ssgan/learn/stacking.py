"""How much each member of a teacher says, by what it says of labelled rows that it has not seen.

Few labelled rows judge badly, so both kinds of weights start from equal ones, which count as much as a number of rows
(`CLASS_PRIOR`, `VALUE_PRIOR`) would. Chosen on five tables of classes (thyroid, obesity, pima, heart, ctg), and for
values on three (concrete, abalone, insurance) and Friedman's three functions.
"""

from __future__ import annotations

import numpy as np

from ssgan.learn.prepare import fold_numbers

CV_ROWS = 2000  # labelled rows that take part in the cross-validation
FOLDS, FEW = 5, 200  # folds up to that many rows; 3 beyond
CLASS_PRIOR, VALUE_PRIOR = 100.0, 30.0  # labelled rows that equal weights are worth; `benchmarks/stack_prior.py`
SUM_PRIOR, USUAL_SUM = 30.0, 0.9  # of a value's weights: rows that their usual sum is worth; the rest says the mean
LEAST = 0.02  # a member's chance for the truth, before it counts as a mistake without limit
EVER_LEARNED = -1  # a row's fold where it is held out in none: every member may see it
NOT_ASKED = -2  # a row's fold where it has no part in the cross-validation
ROUNDS = 100  # of expectation and maximisation


def class_weights(chances: np.ndarray) -> np.ndarray:
    """Weights of a mixture that make the held-out labels likely: maximum a posteriori, sum 1, [M].

    max over w of sum_i log sum_m w_m p_im + a/M sum_m log w_m, by expectation and maximisation (Dempster et al. 1977);
    a is `CLASS_PRIOR`.

    Args:
        chances: p [n, M], of the true class of each held-out row by each member.
    """
    count, members = chances.shape
    weights = np.full(members, 1 / members)
    chances = np.maximum(chances, LEAST)
    for _ in range(ROUNDS):
        credit = weights * chances
        credit /= credit.sum(axis=1, keepdims=True)
        weights = (credit.sum(axis=0) + CLASS_PRIOR / members) / (count + CLASS_PRIOR)
    return weights


def value_weights(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Weights of a sum that comes near the held-out targets, none negative, [M].

    min over w >= 0 of |y - P w|^2 + b e |w - m|^2 + c e/M (sum w - 0.9)^2: stacking (Breiman 1996) with a ridge.
    m is the mean of w, and e the best member's mean squared error, so that b, `VALUE_PRIOR`, and c, `SUM_PRIOR`, count
    rows. Weights may sum to less than 1: what cannot be foretold is better answered by the mean.

    Args:
        values: P [n, M], what each member says of each held-out row; targets have mean 0 and deviation 1.
        targets: y [n].
    """
    from scipy.optimize import nnls

    members = values.shape[1]
    error = ((values - targets[:, None]) ** 2).mean(axis=0).min()
    apart, short = (np.sqrt(prior * max(error, 1e-9)) for prior in (VALUE_PRIOR, SUM_PRIOR / members))
    rows = np.concatenate([values, apart * (np.eye(members) - 1 / members), np.full((1, members), short)])
    wanted = np.concatenate([targets, np.zeros(members), [short * USUAL_SUM]])
    return np.asarray(nnls(rows, wanted)[0])


def division(targets: np.ndarray, width: int, seed: int, groups: np.ndarray | None) -> np.ndarray:
    """The fold in which each labelled row is held out, int [n], or `EVER_LEARNED`.

    `NOT_ASKED` are rows beyond `CV_ROWS`, which have no part in it.

    Where there are no more groups than folds are wanted, each group is a fold: crossfit's folds are such groups, and
    members fitted without one of them serve more than one teacher (see `fits.py`).

    Args:
        targets: numbers of classes, or values, [n].
        width: K, or 1.
        seed: of the division.
        groups: [n], rows of one group are held out together; None: each row is a group of its own.
    """
    chosen = np.random.default_rng(seed).permutation(len(targets))[:CV_ROWS]
    folds = np.full(len(targets), NOT_ASKED)
    folds[chosen] = _folds(targets[chosen], width, seed, None if groups is None else groups[chosen])
    return folds


def _folds(targets: np.ndarray, width: int, seed: int, groups: np.ndarray | None) -> np.ndarray:
    """The fold of each of the rows, which are in random order; every class is spread over the folds.

    A class with one row keeps it for training, in no fold: without it there is nothing to be judged.
    """
    count = min(FOLDS if len(targets) <= FEW else 3, len(targets))
    if groups is not None:
        names, numbers = np.unique(groups, return_inverse=True)
        folds = numbers
        if len(names) > FOLDS:
            folds = fold_numbers(targets, groups.astype(str), count, seed, width if width > 1 else 0)
        if len(np.unique(folds)) < 2:
            return np.full(len(targets), EVER_LEARNED)
        return folds
    if width == 1:
        return np.arange(len(targets)) % count
    folds = np.full(len(targets), EVER_LEARNED)
    rows_of = (np.flatnonzero(targets == each) for each in range(width))
    places = [rows for rows in rows_of if len(rows) > 1]
    if places:
        held = np.concatenate(places)
        folds[held] = np.arange(len(held)) % count
    return folds
