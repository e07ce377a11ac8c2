"""Whether rows are answered better for having been among the unlabelled ones: what crossfit's score may owe to that.

    python benchmarks/transductive.py --data DIR        # six minutes of a core; writes results/transductive.json

Under crossfit a judged row is, without its label, an unlabelled row of the model that answers it; a row that the
service is asked about is not. Here the product learns from the training rows of a draw (tables.py) with 10 labels a
class, once as they are and once with the test rows added without labels, three in ten of all: many more than crossfit
adds, which are the labelled rows of one fold. The difference is that of balanced accuracy on the test rows.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from accuracy_classes import scores
from grid import RESULTS
from machine import describe
from tables import CLASSES, Split, load, split

from ssgan import SSGANClassifier

LABELS, DRAWS = 10, 3


def score(parts: Split, seed: int, added: bool) -> float:
    """Balanced accuracy on the test rows."""
    frame = pd.concat([parts.frame, parts.test_frame], ignore_index=True) if added else parts.frame
    y = np.full(len(frame), -1)
    y[parts.known] = parts.y
    groups = None
    if parts.groups is not None:  # the test rows are of other groups
        names = [*map(str, parts.groups), *("unlabelled" for _ in range(len(frame) - len(parts.groups)))]
        groups = np.array(names)
    model = SSGANClassifier(random_state=seed).fit(frame, y, groups=groups)
    return scores(parts, model.predict_proba(parts.test_frame))["score"]


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    folder = parser.parse_args().data
    tables: dict[str, list[float]] = {}
    for name in CLASSES:
        table = load(name, folder)
        draws = [split(table, LABELS, draw) for draw in range(1, DRAWS + 1)]
        tables[name] = [
            round(score(parts, seed, True) - score(parts, seed, False), 4) for seed, parts in enumerate(draws, start=1)
        ]
        print(name, tables[name], flush=True)
    means = np.array([np.mean(each) for each in tables.values()])
    found = {
        "machine": describe(),
        "labels_per_class": LABELS,
        "gain": tables,
        "mean": round(float(means.mean()), 4),
        "standard_error": round(float(means.std(ddof=1) / np.sqrt(len(means))), 4),
    }
    print(found["mean"], "±", found["standard_error"])
    (RESULTS / "transductive.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
