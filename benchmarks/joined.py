"""Result files of one grid whose draws were measured at different times, as one table of all their draws.

    python benchmarks/joined.py benchmarks/results/accuracy_classes*.json     # prints Markdown
    python benchmarks/joined.py benchmarks/results/accuracy_values*.json

The files' metric tells the grid. No draw may be in two files. Means over sets are of each draw, and the deviation is
theirs; ranks are of a set's mean over all draws, among the baselines and the method itself, as in grid.py. Differences
are paired by draw, with the standard error of their mean.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import accuracy_classes
import accuracy_values
import numpy as np
from grid import Grid, mean_rank

GRIDS = {grid.metric: grid for grid in (accuracy_classes.GRID, accuracy_values.GRID)}
PAIRS = (
    ("ssgan", "twin"),
    ("ssgan", "no real/fake term"),
    ("no real/fake term", "twin"),
    ("ssgan", "teacher"),
)
FAR = 0.02  # in the metric's unit


def joined(files: Sequence[Mapping[str, Any]], labels: str) -> dict[str, dict[str, Any]]:
    """Per method: the mean over sets of each draw, and each set's mean over all draws."""
    numbers = [number for each in files for number in each["draws"]]
    assert len(set(numbers)) == len(numbers), f"a draw is in two files: {sorted(numbers)}"
    weights = [len(each["draws"]) for each in files]
    parts = [each["labels"][labels] for each in files]
    return {
        method: {
            "draws": np.concatenate([part[method]["mean of each draw"] for part in parts]),
            "sets": {
                name: float(np.average([part[method]["sets"][name][0] for part in parts], weights=weights))
                for name in parts[0][method]["sets"]
            },
        }
        for method in parts[0]
    }


Tables = Mapping[str, Mapping[str, Mapping[str, Any]]]  # labels -> method -> as `joined` makes it


def of_methods(grid: Grid, tables: Tables) -> None:
    """A row of each method: means, deviations from draw to draw, ranks."""
    for method in (*grid.ours, *grid.baselines):
        means = [f"{rows[method]['draws'].mean():.3f} ± {rows[method]['draws'].std():.3f}" for rows in tables.values()]
        ranks = [mean_rank(grid, {each: row["sets"] for each, row in rows.items()}, method) for rows in tables.values()]
        print(f"| {method} | {' | '.join(means)} | {' / '.join(f'{r:.1f}' for r in ranks)} | {np.mean(ranks):.2f}")


def of_pairs(grid: Grid, tables: Tables) -> None:
    """Paired differences, that to the baseline of the best mean over everything among them."""
    mean = {each: np.mean([rows[each]["draws"].mean() for rows in tables.values()]) for each in grid.baselines}
    best = max(mean, key=lambda each: grid.better * mean[each])
    for one, other in (*PAIRS, ("ssgan", best)):
        gaps = [rows[one]["draws"] - rows[other]["draws"] for rows in tables.values()]
        told = [f"{gap.mean():+.3f} ± {gap.std(ddof=1) / len(gap) ** 0.5:.3f}" for gap in gaps]
        print(f"| {one} - {other} | {', '.join(told)} |")


def of_sets(grid: Grid, tables: Tables) -> None:
    """The discriminator on each set, and the best baseline there."""
    behind = 0
    picked: dict[str, list[float]] = {labels: [] for labels in tables}
    for name in grid.sets:
        cells = []
        for labels, rows in tables.items():
            scores = {each: rows[each]["sets"][name] for each in grid.baselines}
            best = max(scores, key=lambda each: grid.better * scores[each])
            ours, theirs = rows["ssgan"]["sets"][name], scores[best]
            behind += grid.better * (theirs - ours) > FAR
            picked[labels].append(theirs)
            cells.append(f"{ours:.3f} ({theirs:.3f} {best})")
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nmean of the best baseline of each place: {' '.join(f'{np.mean(each):.3f}' for each in picked.values())}")
    print(f"over {FAR} behind the best baseline of the place: {behind}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    files = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().files]
    (metric,) = {each["metric"] for each in files}
    grid, tables = GRIDS[metric], {labels: joined(files, labels) for labels in files[0]["labels"]}
    print(f"draws {sorted(number for each in files for number in each['draws'])}; labels {', '.join(tables)}")
    for part in (of_methods, of_pairs, of_sets):
        print()
        part(grid, tables)


if __name__ == "__main__":
    main()
