"""The table of accuracy_classes.py on tables that no default was chosen by.

    python benchmarks/accuracy_others.py --data DIR

Protocol and methods: accuracy_classes.py; the tables: other_tables.py. Results:
benchmarks/results/accuracy_others.json.
"""

from __future__ import annotations

import other_tables
from accuracy_classes import BASELINES, OURS
from grid import Grid, main

GRID = Grid(
    "accuracy_others",
    list(other_tables.SETS),
    (5, 10, 25),
    3,
    BASELINES,
    OURS,
    1,
    "balanced accuracy",
    load=other_tables.load,
)

if __name__ == "__main__":
    main(GRID, __doc__ or "")
