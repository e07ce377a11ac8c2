"""Which head learns a value best: Huber, the likelihood of a normal, or soft buckets with the K-logit trick?

    python benchmarks/heads.py --data DIR
    python benchmarks/heads.py --data DIR --sets concrete abalone --draws 2

Protocol: tables.py, 100 labels. Everything else at the product's defaults, once with the teacher that values have by
default, once without. RMSE over the deviation of the test rows. Results: benchmarks/results/heads.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import tables
from accuracy_values import fitted
from machine import describe

HEADS = ("huber", "gaussian", "buckets")
RESULT = Path(__file__).parent / "results" / "heads.json"


def score(split: tables.Split, seed: int, **knobs: Any) -> float:
    """RMSE over the deviation of the test rows."""
    error = fitted(split, seed, **knobs).predict(split.test_frame) - split.truth
    return float(np.sqrt(np.mean(error**2)) / split.truth.std())


def main() -> None:
    """Measures, prints, writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=["concrete", "abalone", "insurance", "diabetes", "california"])
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--draws", type=int, default=5)
    given = parser.parse_args()
    scores: dict[str, dict[str, list[float]]] = {}
    for name in given.sets:
        table = tables.load(name, given.data)
        for draw in range(given.draws):
            split = tables.split(table, given.labels, draw)
            for head in HEADS:
                for taught, knobs in (("with teacher", {}), ("without", {"teacher_weight": 0.0, "steps": 150})):
                    found = score(split, draw, head=head, **knobs)
                    scores.setdefault(f"{head}, {taught}", {}).setdefault(name, []).append(round(found, 4))
            print(name, draw, {method: each[name][-1] for method, each in scores.items()}, flush=True)
    means = {
        method: round(statistics.mean(statistics.mean(each) for each in by_set.values()), 4)
        for method, by_set in scores.items()
    }
    print(means)
    about = {"labels": given.labels, "draws": given.draws, "means": means, "scores": scores}
    RESULT.write_text(json.dumps({"machine": describe(), **about}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
