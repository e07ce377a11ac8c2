"""Is it worth asking for labels the way `ssgan labels` does? Against random rows, and against plain uncertainty.

    python benchmarks/labels.py --data DIR     # most of an hour on two cores; goes on where it was stopped

Writes results/labels.json and docs/labels.png; --redraw makes the picture from the stored results.

Per set and draw, 30 % of the rows are for testing and a few rows of each class are labelled. Then each way asks for a
batch of labels, learns again from scratch, and asks again. All start from the same rows and the same first model; the
knobs are the product's but for the number of steps. How `ssgan labels` chooses was itself chosen among six ways on
draws 100 to 102 of obesity, ctg and thyroid; pima had no part in that. There is one model, so what it is
unsure about is told by margin and entropy, not by models of folds, which `ssgan labels` asks too where there are any.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from machine import describe
from sklearn.metrics import balanced_accuracy_score
from tables import Split, Table, load, split

from ssgan import SSGANClassifier
from ssgan.judge.asking import Pool, choose, uncertainty

HERE = Path(__file__).parent / "results"
PICTURE = HERE.parents[1] / "docs" / "labels.png"
SETS = {"obesity": 14, "ctg": 10, "thyroid": 10, "pima": 10}  # labels asked for at a time
START = 3  # labelled rows of each class
WAYS = {"random": "#8a8a8a", "uncertainty": "#0072b2", "ssgan labels": "#d55e00"}
RESAMPLES = 2000


def fitted(rows: Split, y: np.ndarray, steps: int, seed: int) -> SSGANClassifier:
    """A model of the labels so far; -1 is unlabelled."""
    return SSGANClassifier(steps=steps, random_state=seed).fit(rows.frame, y)


def features(model: SSGANClassifier, x: np.ndarray) -> np.ndarray:
    """What the discriminator sees of encoded rows [n, H]."""
    from ssgan.learn import backend

    seen = np.asarray(backend.predictor(model.fitted_.discriminator)(x)[0])
    return seen.reshape(len(x), -1)


def asked(way: str, model: SSGANClassifier, rows: Split, y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Places among the training rows that the way wants labelled."""
    free = np.flatnonzero(y < 0)
    if way == "random":
        return np.random.default_rng(seed).permutation(free)[:count]
    frame = rows.frame.iloc[free]
    real = 1 - model.fake_probability(frame)
    seen = features(model, rows.x)
    nobody = np.zeros(len(free), bool)
    pool = Pool(model.predict_proba(frame), None, seen[free], seen[y >= 0], real, nobody)
    if way == "uncertainty":
        return free[np.argsort(-uncertainty(pool), kind="stable")[:count]]
    return free[choose(pool, count, np.bincount(y[y >= 0]).tolist()).rows]


def one_draw(table: Table, count: int, rounds: int, draw: int, steps: int) -> dict[str, list[float]]:
    """Balanced accuracy of every way after each round, the first before any was asked."""
    rows, answers = split(table, START, draw), truth_of(table, draw)
    start = np.full(len(rows.frame), -1)
    start[rows.known] = rows.y
    first = fitted(rows, start, steps, draw)
    scores = {}
    for way in WAYS:
        y, model, found = start.copy(), first, []
        for turn in range(rounds + 1):
            if turn:
                wanted = asked(way, model, rows, y, count, 1000 * draw + turn)
                y[wanted] = answers[wanted]
                model = fitted(rows, y, steps, draw)
            found.append(float(balanced_accuracy_score(rows.truth, model.predict(rows.test_frame))))
        scores[way] = found
    return scores


def truth_of(table: Table, draw: int) -> np.ndarray:
    """The classes of all training rows of a draw, in their order."""
    from tables import _test_rows

    return table.y[~_test_rows(table, np.random.default_rng(1000 + draw))]


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over draws."""
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def draw_picture(result: dict) -> None:
    """Score over labels, a panel a set: mean and interval over draws."""
    import matplotlib.pyplot as plt

    sets = result["sets"]
    figure, panels = plt.subplots(1, len(sets), figsize=(11, 3.8), dpi=150, layout="constrained")
    for axes, (name, found) in zip(np.atleast_1d(panels), sets.items(), strict=True):
        for way, tint in WAYS.items():
            scores = np.array([draw[way] for draw in found["draws"].values()])
            spans = np.array([interval(column) for column in scores.T])
            axes.plot(found["labels"], scores.mean(axis=0), "o-", color=tint, label=way)
            axes.fill_between(found["labels"], spans[:, 0], spans[:, 1], color=tint, alpha=0.15, lw=0)
        axes.set_title(f"{name}, {len(found['draws'])} draws", loc="left", fontsize=10)
        axes.set(xlabel="labels", ylabel="balanced accuracy")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e8e8e8")
    axes.legend(frameon=False, fontsize=9)
    figure.savefig(PICTURE)


def tell(sets: dict) -> None:
    """What asking is worth: the mean over the rounds against each other way, paired by draw."""
    for name, found in sets.items():
        means = {way: np.array([np.mean(draw[way][1:]) for draw in found["draws"].values()]) for way in WAYS}
        for other in ("random", "uncertainty"):
            gains = means["ssgan labels"] - means[other]
            low, high = interval(gains)
            print(f"{name}: against {other} {gains.mean():+.4f} ({low:+.4f} to {high:+.4f}), {len(gains)} draws")


def main() -> None:
    """Measures, prints, writes after every draw."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder of the sets")
    arguments.add_argument("--draws", type=int, default=8)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=400)
    arguments.add_argument("--out", type=Path, default=HERE / "labels.json")
    arguments.add_argument("--redraw", action="store_true", help="only the picture, from the stored results")
    given = arguments.parse_args()
    about = {"rounds": given.rounds, "steps": given.steps, "start": START}
    stored = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    same = stored.get("knobs") == about
    result = stored if same else {"machine": describe(), "knobs": about, "sets": {}}
    for draw in range(given.draws if not given.redraw else 0):
        for name, count in SETS.items():
            table = load(name, given.data)
            labels = [START * table.classes + turn * count for turn in range(given.rounds + 1)]
            found = result["sets"].setdefault(name, {"labels": labels, "draws": {}})
            if str(draw) in found["draws"]:
                continue
            found["draws"][str(draw)] = one_draw(table, count, given.rounds, draw, given.steps)
            given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            ends = ", ".join(f"{way} {scores[-1]:.3f}" for way, scores in found["draws"][str(draw)].items())
            print(f"{name}, draw {draw}, {labels[-1]} labels: {ends}", flush=True)
    tell(result["sets"])
    draw_picture(result)


if __name__ == "__main__":
    main()
