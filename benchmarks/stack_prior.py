"""How many rows equal weights are worth where a teacher of values is stacked: `stacking.VALUE_PRIOR`, chosen again.

    python benchmarks/stack_prior.py --data DIR        # two minutes; writes results/stack_prior.json

RMSE over the deviation of the test rows, of the teacher alone, with 50, 100 and 200 labels. Sets: concrete, abalone and
insurance (tables.py), and Friedman's three functions with noise. Draws from 100 on, which no table of accuracy has.
Members are fitted once per split; the priors differ in the weights alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tables
from machine import describe
from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3

from ssgan.learn import stacking
from ssgan.learn.fits import Labels, Need, fit, merged
from ssgan.learn.stacking import value_weights

SETS, LABELS, PRIORS, FIRST = ("concrete", "abalone", "insurance"), (50, 100, 200), (0, 10, 30, 100, 300, 1000), 100
FUNCTIONS: dict[str, tuple[Callable[..., Any], float]] = {  # and the deviation of their noise, about a third of theirs
    "friedman1": (make_friedman1, 1.6),
    "friedman2": (make_friedman2, 125.0),
    "friedman3": (make_friedman3, 0.1),
}
ROWS = 2000  # of a function


def table(name: str, folder: Path) -> tables.Table:
    """A set, or rows of a function."""
    if name not in FUNCTIONS:
        return tables.load(name, folder)
    make, noise = FUNCTIONS[name]
    x, y = make(n_samples=ROWS, noise=noise, random_state=0)
    return tables.Table(name, pd.DataFrame(x, columns=[f"x{each}" for each in range(x.shape[1])]), y)


def errors(split: tables.Split, seed: int) -> dict[str, float]:
    """The teacher's error with each prior."""
    labels = Labels.of(split.x[split.known], split.y, 0, seed, None)
    need = Need(labels, np.ones(len(split.y), bool))
    done = {job.key: fit(labels, job, split.test_x) for job in merged([need])}
    said, targets = need.held_out(done)
    of_test = done[need.learned.tobytes()].of_subject
    assert of_test is not None
    mean, scale = split.y.mean(), split.y.std()
    found, chosen = {}, stacking.VALUE_PRIOR
    for prior in PRIORS:
        stacking.VALUE_PRIOR = float(prior)
        weights = value_weights((said[:, :, 0] - mean) / scale, (targets - mean) / scale)
        answer = mean + np.tensordot(weights, of_test[:, :, 0] - mean, 1)
        found[str(prior)] = float(np.sqrt(np.mean((answer - split.truth) ** 2)) / split.truth.std())
    stacking.VALUE_PRIOR = chosen
    return found


def main() -> None:
    """Measures, prints and writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--draws", type=int, default=3)
    arguments.add_argument("--out", type=Path, default=Path(__file__).with_name("results") / "stack_prior.json")
    given = arguments.parse_args()
    means: dict[str, dict[str, float]] = {}
    worst: dict[str, dict[str, float]] = {}
    for labels in LABELS:
        found = []
        for name in (*SETS, *FUNCTIONS):
            for draw in range(FIRST, FIRST + given.draws):
                found.append(errors(tables.split(table(name, given.data), labels, draw), draw))
        best = [min(each.values()) for each in found]
        means[str(labels)] = {prior: round(float(np.mean([each[prior] for each in found])), 4) for prior in found[0]}
        worst[str(labels)] = {
            prior: round(max(each[prior] - least for each, least in zip(found, best, strict=True)), 4)
            for prior in found[0]
        }
        print(f"{labels} labels: {means[str(labels)]}; behind the best prior at most {worst[str(labels)]}", flush=True)
    about = {"sets": [*SETS, *FUNCTIONS], "draws": given.draws, "in use": stacking.VALUE_PRIOR}
    result = {"machine": describe(), **about, "mean error": means, "behind the best prior at most": worst}
    given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
