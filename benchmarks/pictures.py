"""Pictures with few labels: the product, its ablations, and other semi-supervised methods on the same trunk.

Protocol: the label draws are functions of the draw's number; every method of a draw sees the same rows, the same
network, the same random moves and the same number of steps; the last averaged weights answer; the test images take no
part in any choice, and are asked once. `twin` is the same network with the labelled images alone; `a = 0` the product
without its real/fake term; Mean Teacher, ICT and VAT are the twin with that term and nothing else. `aligned` is
the product that was told that its labels were drawn like the rest, `free` that they were not; `no consistency` is the
pure GAN.

A finished run is one JSON line in results/cache: a command that was stopped goes on where it was, on any machine.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from grid import RESULTS, Cache
from machine import describe

ALONE = {"gan_weight": 0.0}
METHODS: dict[str, dict[str, Any]] = {
    "ssgan": {},
    "twin": {**ALONE, "consistency": "none"},
    "a = 0": ALONE,
    "mean teacher": {**ALONE, "consistency": "mean teacher"},
    "ict": {**ALONE, "consistency": "ict"},
    "vat": {**ALONE, "consistency": "vat"},
    "vat, weight 1": {**ALONE, "consistency": "vat", "consistency_weight": 1.0},
    "aligned": {"align": 0.5},
    "free": {"align": 0.0},
    "free, a = 0": {**ALONE, "align": 0.0},
    "no consistency": {"consistency": "none"},
}


@dataclass(frozen=True)
class Draw:
    """Images uint8 [n, height, width] or [n, height, width, 3], labels, and the places of those that are shown."""

    x: np.ndarray
    y: np.ndarray
    known: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


@dataclass(frozen=True)
class Table:
    """What a table of the benchmarks is made of."""

    name: str  # of the result file
    draw: Callable[[Path, int, int], Draw]  # folder, labels, number of the draw -> images
    labels: Sequence[int]
    draws: int
    steps: int
    methods: Sequence[str]
    knobs: Mapping[str, Any]  # of all methods alike


def shown(y: np.ndarray, labels: int, rng: np.random.Generator) -> np.ndarray:
    """Places of the images that keep their label: the same number of each class."""
    order, classes = rng.permutation(len(y)), np.unique(y)
    return np.concatenate([order[y[order] == each][: labels // len(classes)] for each in classes])


def one(draw: Draw, seed: int, told: bool = False, **knobs: Any) -> dict[str, float | str]:
    """Test error of the discriminator, fitted as a user would.

    `told`: also while it learns, for curves, and that of the training images which it was not told the labels of.
    """
    from ssgan import SSGANClassifier
    from ssgan.learn import backend

    y = np.full(len(draw.y), -1)
    y[draw.known] = draw.y[draw.known]
    start, processor = time.perf_counter(), time.process_time()
    validation = (draw.test_x, draw.test_y) if told else None
    model = SSGANClassifier(random_state=seed, **knobs).fit(draw.x, y, validation=validation)
    took = {"seconds": time.perf_counter() - start, "processor seconds": time.process_time() - processor}
    errors = {"error": _error(model.predict(draw.test_x), draw.test_y)}
    if told:
        errors["error of unlabelled training images"] = _error(model.predict(draw.x[y < 0]), draw.y[y < 0])
    return {
        **errors,
        **{name: round(value, 1) for name, value in took.items()},
        "device": f"{backend.device()}, {backend.name}",
    }


def _error(answers: np.ndarray, truth: np.ndarray) -> float:
    """In percent."""
    return round(100 * float((answers != truth).mean()), 3)


def run(table: Table, given: argparse.Namespace) -> None:
    """Runs what the cache does not have, draw by draw."""
    cache = Cache(table.name)
    for number in range(*given.draws):
        for labels in given.labels:
            draw: Draw | None = None
            for method in given.methods:
                key = (_key(given.steps), labels, number, method)
                if key in cache.found and not given.again:
                    continue
                draw = draw or table.draw(given.data, labels, number)
                scores = one(draw, number, **{**table.knobs, **METHODS[method], "steps": given.steps})
                cache.add(key, scores)
                print(f"{labels} labels, draw {number}, {method}: {scores}", flush=True)


def summary(table: Table, steps: int) -> dict[str, Any]:
    """Per label count and method: error of each draw, mean, deviation, and errors relative to the twin's."""
    found = {key[1:]: scores for key, scores in Cache(table.name).found.items() if key[0] == _key(steps)}
    rows: dict[str, Any] = {}
    for labels in sorted({key[0] for key in found}):
        here = {key[1:]: scores for key, scores in found.items() if key[0] == labels}
        rows[str(labels)] = {name: _row(here, name) for name in METHODS if any(key[1] == name for key in here)}
    return {"machine": describe(), "knobs": dict(table.knobs), "labels": rows}


def _row(found: Mapping[tuple[int, str], Mapping[str, Any]], method: str) -> dict[str, Any]:
    """Of one label count; errors in percent. Relative to the twin over the draws that both have."""
    draws = sorted(draw for draw, name in found if name == method)
    errors = [found[draw, method]["error"] for draw in draws]
    both = [draw for draw in draws if (draw, "twin") in found]
    theirs = sum(found[draw, "twin"]["error"] for draw in both)
    share = sum(found[draw, method]["error"] for draw in both) / theirs if theirs else None
    return {
        "draws": dict(zip(map(str, draws), errors, strict=True)),
        "mean": round(float(np.mean(errors)), 3),
        "deviation": round(float(np.std(errors)), 3),
        "errors over the twin's": share and round(share, 3),
        "processor seconds": round(float(np.mean([found[draw, method]["processor seconds"] for draw in draws])), 1),
        "devices": sorted({found[draw, method]["device"] for draw in draws}),
    }


def _key(steps: int) -> str:
    return f"{steps} steps"


def main(table: Table, text: str) -> None:
    """One command per table: runs what is asked for, prints and writes the summary."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the downloaded sets")
    parser.add_argument("--steps", type=int, default=table.steps)
    parser.add_argument("--labels", nargs="*", type=int, default=list(table.labels))
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(table.methods))
    parser.add_argument("--draws", nargs=2, type=int, default=(0, table.draws), metavar=("FIRST", "END"))
    parser.add_argument("--again", action="store_true", help="measure anew what was measured")
    given = parser.parse_args()
    run(table, given)
    result = summary(table, given.steps)
    for labels, rows in result["labels"].items():
        print(f"\n{labels} labels, {given.steps} steps: test error in %, deviation over draws, errors over the twin's")
        for name, row in rows.items():
            ratio = row["errors over the twin's"] or "no twin"
            print(f"{name:20} {row['mean']:6.2f} ± {row['deviation']:.2f}  {ratio}  {row['draws']}")
    _keep(RESULTS / f"{table.name}.json", _key(given.steps), result)


def _keep(path: Path, steps: str, result: dict[str, Any]) -> None:
    """Writes the summary; what the file has of other steps, labels and methods stays."""
    tables = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    labels = tables.get(steps, {}).get("labels", {})
    for each, rows in result["labels"].items():
        labels[each] = {**labels.get(each, {}), **rows}
    tables[steps] = {**result, "labels": labels}
    path.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
