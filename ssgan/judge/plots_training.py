"""Figures about the training: its losses, its fakes, and what the discriminator sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_hex
from matplotlib.figure import Figure

from ssgan.judge.feature_map import FeatureMap
from ssgan.judge.generated import Compared
from ssgan.judge.metrics import Array
from ssgan.judge.plots import (
    CYCLE,
    FAINT,
    INK,
    MARKERS,
    SOFT,
    WIDTH,
    breadth,
    colour,
    draw,
    fitting,
    lettering,
    quiet,
    short,
    telling,
)

VALUES = ("#0072b2", "#cc79a7", "#e69f00")  # from low to high; grey is for rows without a label
NOBODY = "#9aa0a6"  # grey: without a label, as readable on white as on black
PANEL = 36 * WIDTH - 24  # points across one of two panels side by side
LEGEND = 11  # points


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
            axes.plot(steps, values, color=CYCLE[place % len(CYCLE)], linewidth=1.5)
            axes.set_title(name.replace("real_fake", "real/fake").replace("_", " "), loc="left", fontsize=12)
            axes.grid()
            axes.locator_params(nbins=4)
            axes.tick_params(labelbottom=place >= len(curves) - 2)
        for axes in panels[max(0, len(curves) - 2) : len(curves)]:
            axes.set_xlabel(clock)

    return draw("history", paint, 0.6 + 1.6 * rows)


def columns_made(compared: Sequence[Compared]) -> str:
    """Real and fake values of each column side by side."""
    rows, names = math.ceil(len(compared) / 2), telling([each.column for each in compared], 20)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(rows, 2, squeeze=False).ravel()
        for place, axes in enumerate(panels):
            if place >= len(compared):
                axes.set_axis_off()
                continue
            each = compared[place]
            _beside(axes, each)
            name = fitting(names[place], PANEL - breadth(" (0.00)"), most=20)
            axes.set_title(f"{name} ({each.distance:.2f})", loc="left", fontsize=12)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=2)

    upright = [max(map(_upright, compared[start : start + 2])) for start in range(0, len(compared), 2)]
    return draw("columns", paint, 0.6 + 1.5 * rows + sum(upright) / 72)


def _beside(axes: Axes, each: Compared) -> None:
    real, fake = np.asarray(each.real), np.asarray(each.fake)
    if each.edges:
        axes.stairs(real, each.edges, fill=True, color=NOBODY, alpha=0.6, label="real")
        axes.stairs(fake, each.edges, color=colour("ssgan"), linewidth=2, label="fake")
        axes.locator_params(axis="x", nbins=4)
        return
    places = np.arange(len(real))
    axes.bar(places - 0.2, real, 0.4, color=NOBODY, alpha=0.6, label="real")
    axes.bar(places + 0.2, fake, 0.4, color=colour("ssgan"), label="fake")
    axes.set_xticks(places, _ticks(each), fontsize=10, rotation=90 if _upright(each) else 0)


def _ticks(each: Compared) -> list[str]:
    return [fitting(word, 72, 10, most=12) for word in telling(each.words, 12)]


def _upright(each: Compared) -> float:
    """Points that the words below the bars need where they must stand upright to fit side by side; 0 where they lie."""
    widest = max((breadth(name, 10) for name in _ticks(each)), default=0.0)
    return widest if widest * len(each.words) > PANEL - 6 * len(each.words) else 0.0


def correlations(names: Sequence[str], change: Array) -> str:
    """By how much the correlation of each two encoded features is larger among the fakes [f, f], -2..2."""
    size, shown = lettering(len(names)), [short(name, 18) for name in telling(names, 18)]
    upright = max(breadth(name, size) for name in shown) / 72

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        ends = [f"{CYCLE[0]}ff", f"{CYCLE[0]}00", f"{CYCLE[1]}00", f"{CYCLE[1]}ff"]
        places = (0.0, 0.5, 0.5, 1.0)
        shades = LinearSegmentedColormap.from_list("change", list(zip(places, ends, strict=True)))
        grid = axes.pcolormesh(change, cmap=shades, vmin=-1, vmax=1)
        ticks = np.arange(len(names)) + 0.5
        axes.set_yticks(ticks, shown, fontsize=size)
        axes.set_xticks(ticks, shown, fontsize=size, rotation=90)
        axes.tick_params(length=0)
        axes.invert_yaxis()
        for spine in axes.spines.values():
            spine.set_color(FAINT)
        bar = figure.colorbar(grid, ax=axes, orientation="horizontal", shrink=0.6, aspect=30)
        bar.set_label("correlation among fakes\n- among real rows")
        bar.outline.set_edgecolor(FAINT)

    return draw("correlations", paint, min(6.4, 1.9 + 0.3 * len(names)) + upright)


def pictures(real: Array, fake: Array) -> str:
    """Real images above, fake ones below, as they are [n, height, width, channels] uint8."""

    def paint(figure: Figure) -> None:
        for axes, images, name in zip(figure.subplots(2, 1), (real, fake), ("real", "fake"), strict=True):
            sheet = _sheet(images)
            axes.imshow(sheet, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_title(name, loc="left", fontsize=12)
            quiet(axes)

    return draw("pictures", paint, WIDTH)


def _sheet(images: Array, across: int = 12) -> Array:
    """Images beside and below one another, a pixel apart."""
    count, height, width, channels = images.shape
    down = math.ceil(count / across)
    sheet = np.full((down * (height + 1), across * (width + 1), channels), 128, np.uint8)
    for place, image in enumerate(images):
        top, left = place // across * (height + 1), place % across * (width + 1)
        sheet[top : top + height, left : left + width] = image
    return sheet[..., 0] if channels == 1 else sheet


def feature_map(found: FeatureMap, classes: Sequence[str], label: str) -> str:
    """Rows as the discriminator sees them: labelled ones in colour, the others grey, requested ones ringed."""
    shown = [*(short(name, 14) for name in telling(classes, 14)), "ask"]
    beside = _beside_one_another(shown)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        known = found.labelled
        axes.plot(*found.places[~known].T, "o", color=NOBODY, markersize=3.5, alpha=0.6, markeredgewidth=0)
        if classes:
            for place, name in enumerate(shown[:-1]):
                rows = found.places[known & (found.label == place)]
                marker = MARKERS[(place // len(CYCLE) + place) % len(MARKERS)]
                tint = CYCLE[place % len(CYCLE)]
                axes.plot(*rows.T, marker, color=tint, markersize=6, markeredgewidth=0, label=name)
        else:
            _values(figure, axes, found, label)
        axes.plot(*found.places[found.wanted].T, "o", color="none", markeredgecolor=INK, markersize=11, label="ask")
        quiet(axes)
        spaces = {"handlelength": 1.2, "handletextpad": 0.3, "columnspacing": 1.5}
        figure.legend(loc="outside lower center", ncols=beside, fontsize=LEGEND, **spaces)

    return draw("map", paint, 4.57 + 0.23 * math.ceil(len(shown) / beside))


def _beside_one_another(names: Sequence[str]) -> int:
    """How many entries of a legend the figure has room for, at most 6: each has its mark and the space to the next."""
    widest = max(breadth(name, LEGEND) for name in names)
    return max(1, min(6, len(names), int((72 * WIDTH - LEGEND) / (widest + 3 * LEGEND))))


def _values(figure: Figure, axes: Axes, found: FeatureMap, label: str) -> None:
    values = found.label[found.labelled]
    scale = Normalize(float(values.min()), float(values.max()))
    shades = LinearSegmentedColormap.from_list("values", VALUES)
    for place, value in zip(found.places[found.labelled], values, strict=True):
        axes.plot(*place, "o", color=to_hex(shades(scale(value))), markersize=6, markeredgewidth=0)
    bar = figure.colorbar(ScalarMappable(scale, shades), ax=axes, orientation="horizontal", shrink=0.6, aspect=30)
    bar.set_label(fitting(label, 340))
    bar.outline.set_edgecolor(SOFT)
