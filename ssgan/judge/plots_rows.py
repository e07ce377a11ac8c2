"""Figures about the judged rows: what is mixed up, how far off, how sure, how strange."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ssgan.judge.metrics import Array, higher_is_better
from ssgan.judge.plots import FAINT, INK, MARKERS, WIDTH, breadth, colour, draw, fitting, lettering, short, telling
from ssgan.judge.words import metric_title, title
from ssgan.records import CurvePoint, Reliability

DRAWN = 2000  # rows in a cloud of points
FAKE_EDGES = np.linspace(0, 1, 21)


def confusion(truth: Array, guess: Array, classes: Sequence[str]) -> str:
    """Counts of true class against guessed class, shaded by the share of the true class."""
    size = len(classes)
    counts = np.bincount(truth * size + guess, minlength=size * size).reshape(size, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names, letters = [short(name, 14) for name in telling(classes, 14)], lettering(size)
    widest = max(breadth(name, letters) for name in names)
    cell = (72 * WIDTH - widest - 40) / size  # points; the axis' own name and the margins take 40
    slanted = widest > cell - 6
    every = math.ceil(1.15 * letters / cell)  # a line of type is a little higher than its letters

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        shades = LinearSegmentedColormap.from_list("shades", [f"{colour('ssgan')}{alpha}" for alpha in ("00", "ff")])
        axes.pcolormesh(shares, cmap=shades, vmin=0, vmax=1, edgecolors=FAINT, linewidth=0.5 if every == 1 else 0)
        digits = min(12, 12 * (cell - 3) / breadth(str(counts.max())))
        if size <= 12 and digits >= 6:
            for row, column in np.ndindex(size, size):
                tint = "#ffffff" if shares[row, column] > 0.55 else INK
                text = str(counts[row, column])
                axes.text(column + 0.5, row + 0.5, text, color=tint, ha="center", va="center", fontsize=digits)
        ticks = np.arange(0, size, every) + 0.5
        axes.set_xticks(ticks, names[::every], fontsize=letters, rotation=90 if slanted else 0)
        axes.set_yticks(ticks, names[::every], fontsize=letters)
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.set_xlabel("guessed class" + (f" (one in {every} is named)" if every > 1 else ""))
        axes.set_ylabel("true class")
        for spine in axes.spines.values():
            spine.set_visible(False)

    return draw("confusion", paint, min(WIDTH, 1.4 + 0.45 * size) + (widest / 72 if slanted else 0))


def spread(rows: int) -> Array:
    """Places of at most `DRAWN` rows, evenly taken."""
    return np.linspace(0, rows - 1, min(rows, DRAWN)).round().astype(np.int64)


def residuals(truth: Array, answers: Array, label: str, half_width: float | None) -> str:
    """Answered value against true value, and below how far off; the band is how far a served interval may reach."""

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        shown = spread(len(truth))
        x, y = truth[shown], answers[shown]
        ends = np.array([min(truth.min(), answers.min()), max(truth.max(), answers.max())])
        for axes, line, points in ((above, ends, y), (below, np.zeros(2), y - x)):
            axes.plot(ends, line, color=INK, linewidth=1)
            if half_width is not None:
                axes.fill_between(ends, line - half_width, line + half_width, color=colour("ssgan"), alpha=0.12, lw=0)
            axes.plot(x, points, "o", color=colour("ssgan"), markersize=5, alpha=0.6, markeredgewidth=0)
            axes.grid()
        below.locator_params(axis="x", nbins=5)
        above.set_ylabel(f"answered {fitting(label, 140)}")
        below.set_ylabel("answered - true")
        below.set_xlabel(f"true {fitting(label, 270)}")

    return draw("residuals", paint, 5.6)


def reliability(bins: Sequence[Reliability]) -> str:
    """How sure against how often right, after calibration; below, how many rows were that sure."""

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        sure, right = [each.sure for each in bins], [each.right for each in bins]
        start = min(0.5, *sure, *right)
        above.plot([start, 1], [start, 1], color=INK, linewidth=1)
        where = {"xytext": (-8, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        above.annotate("right as often as sure", (0.5 + start / 2, 0.5 + start / 2), **where)
        above.plot(sure, right, "o-", color=colour("ssgan"), linewidth=2, markersize=8)
        above.set_ylabel("share that was right")
        below.bar(sure, [each.rows for each in bins], width=0.02, color=colour("ssgan"), alpha=0.75)
        below.set_ylabel("rows")
        below.set_xlabel("mean probability of the answer")
        for axes in (above, below):
            axes.grid()

    return draw("calibration", paint, 4.6)


def fake_histogram(fake: Mapping[str, Array]) -> str:
    """How P(fake) is spread over each part, as shares of its own rows."""
    kept = {part: values for part, values in fake.items() if len(values)}

    def paint(figure: Figure) -> None:
        panels = figure.subplots(len(kept), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (part, values) in zip(panels, kept.items(), strict=True):
            axes.stairs(fake_shares(values), FAKE_EDGES, fill=True, color=colour("ssgan"), alpha=0.75)
            axes.axvline(values.mean(), color=INK, linewidth=1, linestyle="--")
            axes.set_title(f"{part}: {len(values)} rows, mean {values.mean():.3f}", loc="left", fontsize=12)
            axes.grid(axis="y")
        panels[-1].set_xlabel("P(fake)")
        panels[len(panels) // 2].set_ylabel("share of rows")

    return draw("fake", paint, 0.8 + 1.25 * len(kept))


def fake_shares(values: Array) -> Array:
    """Shares of the rows between `FAKE_EDGES`."""
    return np.histogram(np.clip(values, 0, 1), FAKE_EDGES)[0] / max(len(values), 1)


def efficiency(metric: str, points: Sequence[CurvePoint]) -> str:
    """Score over number of labels, a line a model; the band is the SSGAN's interval."""
    models = list(dict.fromkeys(each.model for each in points))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, model in enumerate(models):
            line = sorted((each for each in points if each.model == model), key=lambda each: each.labels)
            labels, ours = [each.labels for each in line], model == "ssgan"
            style: dict[str, Any] = {
                "linewidth": 3 if ours else 1.5,
                "markersize": 8 if ours else 5,
                "zorder": 3 if ours else 2,
            }
            marker = MARKERS[place % len(MARKERS)]
            values = [each.score.value for each in line]
            axes.plot(labels, values, f"{marker}-", color=colour(model), label=title(model), clip_on=False, **style)
            if ours:
                low, high = [each.score.low for each in line], [each.score.high for each in line]
                axes.fill_between(labels, low, high, color=colour(model), alpha=0.15, lw=0)
        counts = sorted({each.labels for each in points})
        if counts[-1] > 3 * counts[0]:
            axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.grid(axis="y")
        if higher_is_better(metric):  # such scores end at 1, and so does the axis
            axes.set_ylim(min(axes.get_ylim()[0], 0.9), min(axes.get_ylim()[1], 1))
        axes.set_xlabel("labelled training rows")
        axes.set_ylabel(metric_title(metric))
        figure.legend(loc="outside lower center", ncols=2, fontsize=11)

    return draw("curve", paint, 3.6 + 0.13 * len(models))
