"""The figures of the report, as SVG text that follows the page's light or dark colours.

Text stays text (it takes the page's font), black becomes the page's ink, and the same input gives the same bytes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ssgan.judge import words
from ssgan.judge.metrics import Array
from ssgan.records import Difference, ModelScore

# Okabe and Ito (2008), told apart by colour-blind readers; yellow gave way to Tol's olive, which shows on white.
COLOURS = {
    "ssgan": "#d55e00",
    "twin": "#56b4e9",
    "majority": "#8a8a8a",
    "mean": "#8a8a8a",
    "logistic_regression": "#e69f00",
    "ridge": "#e69f00",
    "random_forest": "#009e73",
    "boosting": "#0072b2",
    "self_training": "#cc79a7",
    "label_spreading": "#999933",
}
_CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_INK, _FAINT = "#010203", "#040506"  # stand-ins that become the page's colours
_WIDTH = 5.4  # inches; drawn at 72 to the inch, so that 12 points stay readable at a phone's width
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ssgan",
    "font.size": 12,
    "text.color": _INK,
    "axes.facecolor": "none",
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _FAINT,
    "grid.linewidth": 0.5,
    "figure.constrained_layout.use": True,
}


def colour(model: str) -> str:
    """The model's colour in every figure."""
    return COLOURS.get(model, "#8a8a8a")


def draw(name: str, paint: Callable[[Figure], None], height: float) -> str:
    """Paints a figure and returns it as one `<svg>` element whose ids start with `name`.

    Args:
        name: a word that no other figure of the page has.
        paint: draws on the figure.
        height: inches.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height))
        paint(figure)
        text = io.StringIO()
        figure.patch.set_visible(False)
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    return _inline(text.getvalue(), name)


def _inline(svg: str, name: str) -> str:
    """Cuts the prologue, makes ids the page's own, and lets the page decide about font and ink."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 aria-hidden="true"', svg, count=1)
    svg = re.sub(r"font: ([0-9.]+)px [^;\"]+", r"font-size: \1px", svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = svg.replace(_INK, "var(--ink)").replace(_FAINT, "var(--faint)")
    return "\n".join(line.rstrip() for line in svg.splitlines())


def scores(metric: str, models: Sequence[ModelScore]) -> str:
    """Every model's score with its interval, the best on top."""
    sign = 1 if words.runs(metric).startswith("higher") else -1
    ordered = sorted(models, key=lambda model: -sign * model.metrics[metric].value)
    rows = [(model.name, model.metrics[metric]) for model in ordered]
    return draw(
        "scores",
        lambda figure: _intervals(
            figure,
            [(name, score.value, score.low, score.high, words.number(score.value)) for name, score in rows],
            f"{words.metric_title(metric)} ({words.runs(metric)})",
        ),
        0.9 + 0.36 * len(rows),
    )


def differences(metric: str, found: Sequence[Difference]) -> str:
    """The SSGAN's gain over each other model, with the line of no difference."""

    def paint(figure: Figure) -> None:
        rows = [(each.baseline, each.value, each.low, each.high, words.signed(each.value)) for each in found]
        _intervals(figure, rows, f"gain in {words.metric_title(metric)} (above 0: SSGAN better)")
        figure.axes[0].axvline(0, color=_INK, linewidth=1)

    return draw("differences", paint, 0.9 + 0.36 * len(found))


def _intervals(figure: Figure, rows: Sequence[tuple[str, float, float, float, str]], label: str) -> None:
    axes = figure.subplots()
    for place, (name, value, low, high, text) in enumerate(rows):
        axes.plot([low, high], [place, place], color=colour(name), linewidth=3, solid_capstyle="round", alpha=0.55)
        axes.plot(value, place, "o", color=colour(name), markersize=8)
        axes.annotate(
            text, (1.02, place), xycoords=("axes fraction", "data"), verticalalignment="center", annotation_clip=False
        )
    axes.set_yticks(range(len(rows)), [words.title(name) for name, *_ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(axis="x")
    axes.set_xlabel(label)


def confusion(truth: Array, guess: Array, classes: Sequence[str]) -> str:
    """Counts of true class against guessed class, shaded by the share of the true class."""
    size = len(classes)
    counts = np.bincount(truth * size + guess, minlength=size * size).reshape(size, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name if len(name) <= 14 else f"{name[:13]}…" for name in classes]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        shades = LinearSegmentedColormap.from_list("shades", [f"{colour('ssgan')}{alpha}" for alpha in ("00", "ff")])
        axes.pcolormesh(shares, cmap=shades, vmin=0, vmax=1, edgecolors=_FAINT, linewidth=0.5)
        if size <= 12:
            for row, column in np.ndindex(size, size):
                strong = shares[row, column] > 0.55
                tint = "#ffffff" if strong else _INK
                axes.text(column + 0.5, row + 0.5, str(counts[row, column]), color=tint, ha="center", va="center")
        slanted = sum(map(len, names)) > 40
        axes.set_xticks(np.arange(size) + 0.5, names, rotation=90 if slanted else 0)
        axes.set_yticks(np.arange(size) + 0.5, names)
        axes.tick_params(length=0)
        axes.invert_yaxis()
        axes.set_xlabel("guessed class")
        axes.set_ylabel("true class")
        for spine in axes.spines.values():
            spine.set_visible(False)

    return draw("confusion", paint, min(_WIDTH, 1.4 + 0.45 * size))


def predicted(truth: Array, answers: Array, label: str) -> str:
    """Answered value against true value, with the line of perfect answers. At most 3000 rows are drawn."""
    shown = np.linspace(0, len(truth) - 1, min(len(truth), 3000)).round().astype(np.int64)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        ends = [float(min(truth.min(), answers.min())), float(max(truth.max(), answers.max()))]
        axes.plot(ends, ends, color=_INK, linewidth=1)
        axes.plot(truth[shown], answers[shown], "o", color=colour("ssgan"), markersize=5, alpha=0.6, markeredgewidth=0)
        axes.grid()
        axes.set_xlabel(f"true {label}")
        axes.set_ylabel(f"answered {label}")

    return draw("predicted", paint, 4.2)


def fake_histogram(fake: Mapping[str, Array]) -> str:
    """How P(fake) is spread over labelled, unlabelled and test rows, each as shares of its own rows."""
    kept = {part: values for part, values in fake.items() if len(values)}
    edges = np.linspace(0, 1, 21)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(len(kept), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (part, values) in zip(panels, kept.items(), strict=True):
            shares = np.histogram(np.clip(values, 0, 1), edges)[0] / len(values)
            axes.stairs(shares, edges, fill=True, color=colour("ssgan"), alpha=0.75)
            axes.axvline(values.mean(), color=_INK, linewidth=1, linestyle="--")
            axes.set_title(f"{part}: {len(values)} rows, mean {values.mean():.3f}", loc="left", fontsize=12)
            axes.grid(axis="y")
        panels[-1].set_xlabel("P(fake)")
        panels[len(panels) // 2].set_ylabel("share of rows")

    return draw("fake", paint, 0.8 + 1.25 * len(kept))


def history(columns: Mapping[str, Sequence[float]]) -> str:
    """Every column of the training history over its first one, a panel each; a term that was never used has none."""
    (clock, steps), *curves = columns.items()
    curves = [(name, values) for name, values in curves if any(values)]
    rows = math.ceil(len(curves) / 2)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, 2, sharex=True, squeeze=False).ravel()
        for place, axes in enumerate(panels):
            if place >= len(curves):
                axes.set_axis_off()
                continue
            name, values = curves[place]
            axes.plot(steps, values, color=_CYCLE[place % len(_CYCLE)], linewidth=1.5)
            axes.set_title(name.replace("_", " "), loc="left", fontsize=12)
            axes.grid()
            axes.locator_params(nbins=4)
            axes.tick_params(labelbottom=place >= len(curves) - 2)
        for axes in panels[max(0, len(curves) - 2) : len(curves)]:
            axes.set_xlabel(clock)

    return draw("history", paint, 0.6 + 1.6 * rows)
