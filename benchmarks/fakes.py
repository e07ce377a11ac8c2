"""Which fakes teach a table most? The supervised twin, a generator, and shuffled columns on the same rows.

    python benchmarks/fakes.py --data DIR

Protocol: per draw 30 % of the rows for testing (the given groups are not needed here: one row is one person), 10
labelled rows per class (100 in all for values) among the rest, the last averaged weights, no choice by test score.
The encoder is fitted on the training rows alone. Balanced accuracy; for values RMSE over the test rows' deviation.
Sets without --data are those that scikit-learn ships. Results: benchmarks/results/fakes.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import describe

from ssgan import SSGANClassifier, SSGANRegressor

RESULT = Path(__file__).parent / "results" / "fakes.json"
MODELS: dict[str, dict[str, dict[str, Any]]] = {
    "classes": {
        "twin": {"gan_weight": 0.0},
        "generator": {"fakes": "generator", "gan_weight": 0.3},
        "shuffled columns": {"fakes": "shuffled columns", "gan_weight": 3.0},
    },
    "values": {
        "twin": {"gan_weight": 0.0, "steps": 1500},
        "generator": {"fakes": "generator", "gan_weight": 0.3, "steps": 1500},
        "shuffled columns": {"fakes": "shuffled columns", "gan_weight": 1.0, "steps": 1500},
    },
}
PER_CLASS, VALUES = 10, 100


@dataclass(frozen=True)
class Table:
    """Features (numbers as floats, words as text) and what is to be learned."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    task: str = "classes"


def shipped() -> list[Table]:
    """Sets that need no download."""
    from sklearn import datasets

    loaders = {"cancer": datasets.load_breast_cancer, "digits": datasets.load_digits, "wine": datasets.load_wine}
    tables = [Table(name, *_frame(load(return_X_y=True))) for name, load in loaders.items()]
    return [*tables, Table("diabetes", *_frame(datasets.load_diabetes(return_X_y=True)), task="values")]


def _frame(pair: tuple[np.ndarray, np.ndarray]) -> tuple[pd.DataFrame, np.ndarray]:
    return pd.DataFrame(pair[0]), pair[1]


def from_folder(folder: Path) -> list[Table]:
    """Sets that were downloaded, each in a folder of its name."""
    thyroid = pd.read_csv(folder / "thyroid_ann" / "ann-train.data", header=None).dropna(axis=1, how="all")
    heart = pd.read_csv(folder / "heart_disease" / "processed.cleveland.data", header=None, na_values="?")
    heart[[2, 6, 10, 11, 12]] = heart[[2, 6, 10, 11, 12]].astype("string")  # codes without an order
    pima = pd.read_csv(folder / "pima" / "pima-indians-diabetes.csv", header=None)
    obesity = pd.read_csv(folder / "obesity" / "ObesityDataSet_raw_and_data_sinthetic.csv")
    insurance = pd.read_csv(folder / "insurance" / "insurance.csv")
    return [
        Table("thyroid", thyroid.iloc[:, :-1], thyroid.iloc[:, -1].to_numpy()),
        Table("heart", heart.iloc[:, :-1], (heart.iloc[:, -1] > 0).to_numpy(int)),
        Table("pima", pima.iloc[:, :-1], pima.iloc[:, -1].to_numpy()),
        Table("obesity", obesity.iloc[:, :-1], obesity.iloc[:, -1].to_numpy(str)),
        Table("insurance", insurance.iloc[:, :-1], insurance.iloc[:, -1].to_numpy(float), task="values"),
    ]


def split(table: Table, draw: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the labelled rows, and which rows are for testing."""
    rng = np.random.default_rng(draw)
    test = rng.random(len(table.y)) < 0.3
    free = rng.permutation(np.flatnonzero(~test))
    if table.task == "values":
        return free[:VALUES], test
    return np.concatenate([free[table.y[free] == each][:PER_CLASS] for each in np.unique(table.y)]), test


def score(table: Table, draw: int, knobs: dict[str, Any]) -> float:
    """Balanced accuracy, or RMSE over the test rows' deviation."""
    known, test = split(table, draw)
    y = np.full(len(table.y), None, object)
    y[known] = table.y[known]
    kind = SSGANClassifier if table.task == "classes" else SSGANRegressor
    model = kind(random_state=draw, **knobs).fit(table.X[~test], y[~test])
    answer, truth = model.predict(table.X[test]), table.y[test]
    if table.task == "values":
        return float(np.sqrt(np.mean((answer - truth) ** 2)) / truth.std())
    return float(np.mean([(answer[truth == each] == each).mean() for each in np.unique(truth)]))


def measure(tables: list[Table], draws: int, report: Callable[[str], None]) -> dict[str, dict[str, list[float]]]:
    """Per table and model one score per draw."""
    results: dict[str, dict[str, list[float]]] = {}
    for table in tables:
        results[table.name] = {
            name: [round(score(table, draw, knobs), 4) for draw in range(draws)]
            for name, knobs in MODELS[table.task].items()
        }
        means = (f"{name} {np.mean(scores):.3f} ± {np.std(scores):.3f}" for name, scores in results[table.name].items())
        report(f"{table.name:10} {' | '.join(means)}")
    return results


def gains(results: dict[str, dict[str, list[float]]], tables: list[Table]) -> dict[str, dict[str, float]]:
    """Mean difference from the twin on the same draws, over sets; better is positive."""
    found: dict[str, dict[str, float]] = {}
    for task, sign in (("classes", 1.0), ("values", -1.0)):
        names = [table.name for table in tables if table.task == task]
        for model in ("generator", "shuffled columns") if names else ():
            means = [sign * float(np.mean(np.subtract(results[n][model], results[n]["twin"]))) for n in names]
            found.setdefault(task, {})[model] = round(float(np.mean(means)), 4)
    return found


def main() -> None:
    """Measures, prints, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with downloaded sets: thyroid_ann, heart_disease, ...")
    parser.add_argument("--draws", type=int, default=5, help="label draws per set")
    parser.add_argument("--sets", nargs="*", help="only these")
    given = parser.parse_args()
    tables = shipped() + (from_folder(given.data) if given.data else [])
    tables = [table for table in tables if not given.sets or table.name in given.sets]
    start = time.perf_counter()
    results = measure(tables, given.draws, print)
    summary = {
        "machine": describe(),
        "seconds": round(time.perf_counter() - start),
        "labelled": f"{PER_CLASS} per class; {VALUES} for values",
        "metric": "balanced accuracy; for values RMSE / deviation (lower is better)",
        "models": MODELS,
        "draws": given.draws,
        "gain over the twin": gains(results, tables),
        "scores": results,
    }
    print(f"gain over the twin: {summary['gain over the twin']}; {summary['seconds']} s on {summary['machine']}")
    if not given.sets:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
