"""Runs methods over sets, label counts and draws: every result is kept at once, so that a run can be stopped."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tables
from machine import describe

RESULTS = Path(__file__).parent / "results"
Method = Callable[[tables.Split, int], dict[str, float]]  # (split, seed) -> scores; "score" is the one that is ranked
Key = tuple[str, int, int, str]  # set, labels, draw, method


@dataclass(frozen=True)
class Grid:
    """What a table of the benchmarks is made of."""

    name: str  # of the result file
    sets: Sequence[str]
    labels: Sequence[int]
    draws: int
    baselines: Mapping[str, Method]
    ours: Mapping[str, Method]
    better: int  # 1: a high score is good; -1: a low one
    metric: str
    load: Callable[[str, Path], tables.Table] = tables.load

    @property
    def methods(self) -> dict[str, Method]:
        """All of them."""
        return {**self.baselines, **self.ours}


class Cache:
    """One JSON line per result, in a folder that git does not see. Later lines win."""

    def __init__(self, name: str) -> None:
        folder = RESULTS / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text("*\n")
        self._path = folder / f"{name}.jsonl"
        self.found: dict[Key, dict[str, float]] = {}
        for line in self._path.read_text().splitlines() if self._path.is_file() else ():
            entry = json.loads(line)
            self.found[entry["set"], entry["labels"], entry["draw"], entry["method"]] = entry["scores"]

    def add(self, key: Key, scores: dict[str, float]) -> None:
        """Keeps a result."""
        self.found[key] = scores
        entry = dict(zip(("set", "labels", "draw", "method"), key, strict=True)) | {"scores": scores}
        with self._path.open("a") as handle:
            handle.write(json.dumps(entry) + "\n")


def run(
    grid: Grid, folder: Path, sets: Sequence[str], draws: Iterable[int], methods: Sequence[str], again: bool
) -> None:
    """Fills the cache for these sets, draws and methods; what is there already is kept unless `again`."""
    cache = Cache(grid.name)
    for draw in draws:
        for name in sets:
            table = grid.load(name, folder)
            for labels in grid.labels:
                wanted = [each for each in methods if again or (name, labels, draw, each) not in cache.found]
                if not wanted:
                    continue
                split = tables.split(table, labels, draw)
                for method in wanted:
                    start = time.perf_counter()
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # of convergence, in the baselines
                        scores = grid.methods[method](split, draw)
                    scores = {key: round(value, 5) for key, value in scores.items()}
                    cache.add((name, labels, draw, method), scores | {"seconds": round(time.perf_counter() - start, 2)})
                found = (f"{each} {cache.found[name, labels, draw, each]['score']:.3f}" for each in wanted)
                print(f"{name} {labels} labels, draw {draw}: {', '.join(found)}", flush=True)


def summary(grid: Grid, draws: Iterable[int]) -> dict[str, object]:
    """Per label count: scores of every method on every set, mean score and mean rank, over what all methods have.

    Args:
        grid: what the table is made of.
        draws: those that count; sets that lack some of them make the means uneven.
    """
    found = Cache(grid.name).found
    methods = [each for each in grid.methods if any(key[3] == each for key in found)]
    cells = sorted({key[:3] for key in found})
    counting = set(draws)
    whole = [cell for cell in cells if cell[2] in counting and all((*cell, each) in found for each in methods)]
    tables_: dict[str, object] = {}
    for labels in grid.labels:
        sets = [name for name in grid.sets if any(cell[:2] == (name, labels) for cell in whole)]
        scores = {
            each: {name: [found[*cell, each]["score"] for cell in whole if cell[:2] == (name, labels)] for name in sets}
            for each in methods
        }
        if sets:
            tables_[str(labels)] = _table(grid, scores, sets)
    return {
        "machine": describe(),
        "metric": grid.metric,
        "draws": sorted({cell[2] for cell in whole}),
        "rows at most": tables.MOST_ROWS,
        "seconds": {
            each: round(float(np.mean([s["seconds"] for key, s in found.items() if key[3] == each])), 2)
            for each in methods
        },
        "labels": tables_,
    }


def mean_rank(grid: Grid, means: Mapping[str, Mapping[str, float]], method: str) -> float:
    """Of a method by its mean on each set, over the sets; 1 is best.

    Among the baselines and itself, by the set's mean over draws. Baselines: among each other and the first of ours, so
    that the numbers can be compared.
    """
    first = next((each for each in grid.ours if each in means), None)
    others = [base for base in grid.baselines if base in means] + ([first] if first else [])
    rivals = [other for other in others if other != method and not (method in grid.ours and other in grid.ours)]
    mine = means[method]
    return float(
        np.mean([1 + sum(grid.better * (means[other][name] - mine[name]) > 0 for other in rivals) for name in mine])
    )


def _table(grid: Grid, scores: dict[str, dict[str, list[float]]], sets: Sequence[str]) -> dict[str, object]:
    """A row of each method."""
    means = {each: {name: float(np.mean(values)) for name, values in of.items()} for each, of in scores.items()}
    rows: dict[str, object] = {}
    for each, of in scores.items():
        rows[each] = {
            "mean": round(float(np.mean(list(means[each].values()))), 4),
            "mean of each draw": [round(float(value), 4) for value in _by_draw(of)],
            "mean rank": round(mean_rank(grid, means, each), 2),
            "sets": {name: [round(means[each][name], 4), round(float(np.std(of[name])), 4)] for name in sets},
            "draws": {name: [round(score, 4) for score in of[name]] for name in sets},
        }
    return rows


def _by_draw(of: dict[str, list[float]]) -> np.ndarray:
    """The mean over the sets at each draw; none where sets have different numbers of draws."""
    several = len({len(values) for values in of.values()}) == 1
    return np.mean(list(of.values()), axis=0) if several else np.zeros(0)


def main(grid: Grid, text: str) -> None:
    """One command per table: runs what is asked for, prints and writes the summary."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the downloaded sets")
    parser.add_argument("--methods", nargs="*", choices=list(grid.methods), default=list(grid.methods))
    parser.add_argument("--sets", nargs="*", choices=list(grid.sets), default=list(grid.sets))
    parser.add_argument("--draws", nargs=2, type=int, default=(0, grid.draws), metavar=("FIRST", "END"))
    parser.add_argument("--again", action="store_true", help="measure anew what was measured")
    parser.add_argument("--summary", action="store_true", help="run nothing, only write the result file")
    given = parser.parse_args()
    if not given.summary:
        run(grid, given.data, given.sets, range(*given.draws), given.methods, given.again)
    result = summary(grid, range(*given.draws))
    for labels, rows in result["labels"].items():  # type: ignore[attr-defined]
        print(f"\n{labels} labels, {grid.metric}; mean rank; mean; sets")
        for each, row in sorted(rows.items(), key=lambda item: item[1]["mean rank"]):
            values = " ".join(f"{name} {mean:.3f}±{dev:.3f}" for name, (mean, dev) in row["sets"].items())
            print(f"{each:20} {row['mean rank']:5.2f} {row['mean']:.4f}  {values}")
    (RESULTS / f"{grid.name}.json").write_text(json.dumps(result, indent=1) + "\n")
