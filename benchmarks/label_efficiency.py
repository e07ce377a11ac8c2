"""How good is the SSGAN at how many labels? The README's picture: scikit-learn's 8x8 digits, as images.

    python benchmarks/label_efficiency.py                            # about fifteen minutes on two cores
    python benchmarks/label_efficiency.py --methods ssgan twin       # these anew, the others as they were stored

Writes results/label_efficiency.json and docs/label_efficiency.png; with `--methods` alone, only the picture.

Per draw a quarter of the 1797 images is for testing, the rest is for training, and of these a few per class keep
their label. The default knobs of the product, the last averaged weights, no choice by test score. Every method sees
the same rows; the twin is the same network with the labelled rows alone, which is the ablation of the real/fake term.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import describe
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score

from ssgan.config import BaselinesParams, TrainParams
from ssgan.contract import ClassLabel, Contract, ImageColumn
from ssgan.judge.baselines import answer
from ssgan.judge.methods import CLASSIFIERS, Task
from ssgan.judge.words import title
from ssgan.learn.encode import Encoder
from ssgan.learn.fit import fit_discriminator
from ssgan.learn.heads import head_for
from ssgan.learn.knobs import resolve

HERE = Path(__file__).parent / "results"
PICTURE = HERE.parents[1] / "docs" / "label_efficiency.png"
PER_CLASS = (2, 5, 10, 20)
METHODS = ("ssgan", "twin", *(name for name in CLASSIFIERS if name != "majority"))
CONTRACT = Contract(
    name="digits",
    task="classification",
    label=ClassLabel(column="digit", classes=tuple("0123456789")),
    columns={"image": ImageColumn(type="image", height=8, width=8)},
)


def images() -> tuple[np.ndarray, np.ndarray]:
    """PNG bytes [n] and digits [n]."""
    from PIL import Image

    data = load_digits()
    found = np.empty(len(data.images), object)
    for row, pixels in enumerate(np.rint(data.images * (255 / 16)).astype(np.uint8)):
        target = io.BytesIO()
        Image.fromarray(pixels).save(target, format="PNG")
        found[row] = target.getvalue()
    return found, data.target


def one_draw(
    png: np.ndarray, digits: np.ndarray, per_class: int, draw: int, methods: Sequence[str]
) -> dict[str, float]:
    """Test accuracy of each method."""
    rng = np.random.default_rng(draw)
    test = rng.random(len(digits)) < 0.25
    free = rng.permutation(np.flatnonzero(~test))
    known = np.concatenate([free[digits[free] == each][:per_class] for each in range(10)])
    shown = np.full(len(digits), -1)
    shown[known] = digits[known]
    encoder = Encoder.fit({"image": png[~test]}, CONTRACT)
    x, z, y = encoder.encode_columns({"image": png[~test]}), encoder.encode_columns({"image": png[test]}), shown[~test]
    truth, scores = digits[test], {}
    knobs = replace(resolve(TrainParams(), CONTRACT), seed=draw)
    head = head_for(CONTRACT, y)
    for name, used in (("ssgan", knobs), ("twin", knobs.twin())):
        if name not in methods:
            continue
        task, _ = fit_discriminator(x, y, encoder, head, used, name).outputs(z)
        scores[name] = float(accuracy_score(truth, task.argmax(axis=1)))
    rows = Task(
        x.reshape(len(x), -1), y, y >= 0, np.arange(len(x)), z.reshape(len(z), -1), 10, BaselinesParams(seed=draw)
    )
    for name, method in CLASSIFIERS.items():
        if name in methods:
            scores[name] = float(accuracy_score(truth, answer(method, rows).argmax(axis=1)))
    return scores


def draw_picture(scores: dict[str, dict[str, list[float]]], path: Path) -> None:
    """Accuracy over the number of labels: mean, and the range of the draws for the two networks."""
    import matplotlib.pyplot as plt

    colours = {"ssgan": "#d55e00", "twin": "#56b4e9", "label_spreading": "#999933", "logistic_regression": "#e69f00"}
    figure, axes = plt.subplots(figsize=(8, 4.2), dpi=160, layout="constrained")
    counts = [10 * each for each in PER_CLASS]
    ends, draws = [], min(len(each) for methods in scores.values() for each in methods.values())
    for name in scores[str(counts[0])]:
        each = np.array([scores[str(count)][name][:draws] for count in counts]) * 100
        colour, bold = colours.get(name, "#b0b0b0"), name == "ssgan"
        axes.plot(
            counts, each.mean(axis=1), "o-", color=colour, lw=3 if bold else 1.5, ms=7 if bold else 4, zorder=2 + bold
        )
        if name in ("ssgan", "twin"):
            axes.fill_between(counts, each.min(axis=1), each.max(axis=1), color=colour, alpha=0.15, lw=0)
        ends.append((each[-1].mean(), name, colour))
    place = np.inf
    for height, name, colour in sorted(ends, reverse=True):
        place = min(height, place - 2.4)
        axes.text(counts[-1] * 1.05, place, f"{title(name)} {height:.1f} %", color=colour, va="center", fontsize=9)
    axes.set_xscale("log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.set_xlim(counts[0] * 0.93, counts[-1] * 1.9)
    axes.set(xlabel="labelled images, of about 1350 for training", ylabel="test accuracy, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e8e8e8")
    axes.set_title(f"8x8 digits, mean of {draws} label draws; bands: lowest to highest draw", loc="left", fontsize=10)
    figure.savefig(path)


def main() -> None:
    """Measures, prints, writes."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--draws", nargs=2, type=int, default=(0, 5), metavar=("FIRST", "END"))
    arguments.add_argument("--methods", nargs="*", choices=METHODS, default=METHODS)
    given = arguments.parse_args()
    path = HERE / "label_efficiency.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"accuracy": {}}
    png, digits = images()
    for draw in range(*given.draws) if given.methods else ():
        for per_class in PER_CLASS:
            found = one_draw(png, digits, per_class, draw, given.methods)
            print(f"draw {draw}, {10 * per_class} labels: {found}", flush=True)
            here = stored["accuracy"].setdefault(str(10 * per_class), {})
            for name, score in found.items():
                here[name] = [*here.get(name, [])[:draw], round(score, 4)]
        stored["machine"] = describe()
        path.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    draw_picture(stored["accuracy"], PICTURE)


if __name__ == "__main__":
    main()
