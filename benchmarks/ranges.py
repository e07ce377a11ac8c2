"""Whom the ranges of the training rows flag: honest test rows, and records with absurd values.

    python benchmarks/ranges.py --data DIR        # a minute; writes results/ranges.json

For each table, five draws of 30 % of its rows for testing (groups stay whole), the limits fitted on the rest with half
of the default `calibrate.unlike`. `honest`: share of test rows that are flagged. `one`, `five`: share of test rows that
are flagged once one or five of their numbers are replaced, each by a value ten ranges beyond what the training rows
hold, above or below by a coin. `margin`: the median of those that were chosen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from machine import describe
from tables import CLASSES, VALUES, Table, load, split

from ssgan.config import CalibrateParams
from ssgan.learn.ranges import Ranges, Seen
from ssgan.learn.tabular import Layout

DRAWS = 5
FAR = 10.0  # ranges


def measure(table: Table) -> dict[str, object]:
    """One table."""
    found: dict[str, list[float]] = {"honest": [], "one": [], "five": [], "margin": []}
    for draw in range(DRAWS):
        parts = split(table, 2, draw)
        layout = Layout.of(table.X)  # the words of all rows are allowed, as a contract would allow them
        contract = layout.contract(table.X, tuple(str(each) for each in range(table.classes)) or None)
        seen = Seen.fit(layout.columns(parts.frame), contract.features, parts.groups)
        limits, _ = seen.limits(CalibrateParams().unlike / 2)
        ranges = Ranges(limits)
        tested = layout.columns(parts.test_frame)
        found["honest"].append(_flagged(ranges, tested))
        rng = np.random.default_rng(draw)
        ends = {each.column: each.seen for each in limits if each.seen is not None}
        for name, count in (("one", 1), ("five", 5)):
            moved = {column: values.copy() for column, values in tested.items()}
            for row in range(len(parts.test_frame)):
                for column in rng.choice([*ends], min(count, len(ends)), replace=False):
                    low, high = ends[column]
                    far = FAR * (high - low)
                    moved[column][row] = high + far if rng.random() < 0.5 else low - far
            found[name].append(_flagged(ranges, moved))
        spreads = next(each for each in seen.columns if each.spreads is not None)
        limit = next(each for each in limits if each.column == spreads.column)
        found["margin"].append((limit.limits[1] - limit.seen[1]) / spreads.spreads[1])
    told = {name: round(float(np.mean(each)), 4) for name, each in found.items() if name != "margin"}
    return {
        "rows": len(table.X),
        "columns": table.X.shape[1],
        **told,
        "honest_most": round(max(found["honest"]), 4),
        "margin": round(float(np.median(found["margin"])), 2),
    }


def _flagged(ranges: Ranges, columns: dict[str, np.ndarray]) -> float:
    cells = ranges.outside(columns)
    return 0.0 if cells is None else float(cells.any(axis=1).mean())


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public tables")
    arguments = parser.parse_args()
    found: dict[str, object] = {"machine": describe(), "far_in_ranges": FAR, "draws": DRAWS}
    for name in (*CLASSES, *VALUES):
        found[name] = measure(load(name, arguments.data))
        print(name, found[name], flush=True)
    text = json.dumps(found, indent=2)
    Path(__file__).with_name("results").joinpath("ranges.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
