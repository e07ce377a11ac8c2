"""How figures are drawn: as SVG text that follows the page's light or dark colours.

Text stays text (it takes the page's font), black becomes the page's ink, and the same input gives the same bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from os.path import commonprefix

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from ssgan.judge import words
from ssgan.judge.style import FIGURE_CSS

# Okabe and Ito (2008), told apart by colour-blind readers; yellow gave way to Tol's olive, which shows on white.
COLOURS = {
    "ssgan": "#d55e00",
    "discriminator_alone": "#a34700",
    "ablation": "#e8935a",
    "twin": "#56b4e9",
    "majority": "#8a8a8a",
    "mean": "#8a8a8a",
    "logistic_regression": "#e69f00",
    "ridge": "#e69f00",
    "nearest_neighbours": "#7a5195",
    "random_forest": "#009e73",
    "boosting": "#0072b2",
    "self_training": "#cc79a7",
    "stack": "#a6761d",
    "label_spreading": "#999933",
}
CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999933")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, SOFT = "#010203", "#040506", "#070809"  # stand-ins that become the page's colours
WIDTH = 5.4  # inches; drawn at 72 to the inch, so that 12 points stay readable at a phone's width
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ssgan",
    "font.size": 12,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}
_LONG = re.compile(r"(?<![\w#])(-?\d+\.\d\d)\d+(?!\w)")  # a hundredth of a pixel is enough
Interval = tuple[str, str, float, float, float, str]  # label, colour, value, low, high, text at the right


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
        figure = Figure(figsize=(WIDTH, height))
        paint(figure)
        text = io.StringIO()
        figure.patch.set_visible(False)
        with _page_has_the_letters():
            FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    return _inline(text.getvalue(), name)


@contextmanager
def _page_has_the_letters() -> Iterator[None]:
    """No warning of letters that the font for the layout lacks: whoever reads the page brings fonts of their own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        yield


def alone(svg: str) -> str:
    """A figure of the page as a file of its own, which brings its colours with it."""
    names = 'xmlns="http://www.w3.org/2000/svg"'
    return svg.replace("<svg", f"<svg {names}", 1).replace(">", f">\n<style>{FIGURE_CSS}</style>", 1) + "\n"


def _inline(svg: str, name: str) -> str:
    """Cuts the prologue, makes ids the page's own, and lets the page decide about font and ink."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 aria-hidden="true"', svg, count=1)
    svg = re.sub(r"font: ([0-9.]+)px [^;\"]+", r"font-size: \1px", svg)  # matplotlib 3.10 wrote it so
    svg = re.sub(r" ?font-family: [^;\"]*;?", "", svg)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'="[^"]*"', lambda found: _LONG.sub(r"\1", found[0]), svg)
    for stand_in, named in ((INK, "ink"), (FAINT, "faint"), (SOFT, "soft")):
        svg = svg.replace(stand_in, f"var(--{named})")
    return "\n".join(line.strip() for line in svg.splitlines())


def intervals(name: str, rows: Sequence[Interval], label: str, *, zero: bool = False) -> str:
    """A row per entry: a dot for the value, a bar for its interval, the number at the right.

    Args:
        name: of the figure.
        rows: from top to bottom.
        label: of the axis.
        zero: whether to draw the line of no difference.
    """

    names = [fitting(name, 180, most=24) for name in telling([each[0] for each in rows], 24)]
    beside = sum(max(breadth(each, 12) for each in texts) for texts in (names, [each[-1] for each in rows]))
    room = 72 * WIDTH - beside - 30  # points for the axis; a number on it takes 45 with what keeps it from the next

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for place, (_, tint, value, low, high, text) in enumerate(rows):
            axes.plot([low, high], [place, place], color=tint, linewidth=3, solid_capstyle="round", alpha=0.55)
            axes.plot(value, place, "o", color=tint, markersize=8)
            axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=max(1, min(5, int(room / 45))))
        axes.grid(axis="x")
        axes.set_xlabel(label)
        if zero:
            axes.axvline(0, color=INK, linewidth=1)

    return draw(name, paint, 0.9 + 0.36 * len(rows))


def short(text: str, most: int) -> str:
    """At most so many characters of one line; a dollar sign would start a formula."""
    text = " ".join(text.split())
    return (text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")


def telling(names: Sequence[str], most: int) -> list[str]:
    """Names of which more than so many characters are cut; of those that begin alike, from where they differ.

    "measurement of the 1st value" and "measurement of the 2nd value" would else both be "measurement of t…".
    """
    lines = [" ".join(name.split()) for name in names]
    begins, head, found = [line[: most - 1] for line in lines], most // 3, []
    for line, begin in zip(lines, begins, strict=True):
        alike = {other for other, begun in zip(lines, begins, strict=True) if begun == begin}
        apart = len(commonprefix(sorted(alike)))
        cut = len(line) > most and len(alike) > 1
        found.append(f"{line[:head]}…{line[apart:]}" if cut else line)
    return found


def breadth(text: str, size: float = 12) -> float:
    """How many points a line of text takes in the font that figures are laid out with, which is a broad one.

    Chinese and the like is not in that font; such letters are as broad as they are high, which is what a W is.
    """
    text = "".join("W" if unicodedata.east_asian_width(each) in "WF" else each for each in text)
    with _page_has_the_letters():
        return float(text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)[0])


def fitting(text: str, room: float, size: float = 12, most: int = 40) -> str:
    """At most so many characters, and fewer where they would take more than so many points."""
    kept = next((count for count in range(most, 1, -1) if breadth(short(text, count), size) <= room), 1)
    return short(text, kept)


def lettering(names: int) -> int:
    """The size of type, in points, with which so many names fit along the side of a figure."""
    return 12 if names <= 10 else 10 if names <= 16 else 8


def direction(metric: str) -> str:
    """The metric as the label of an axis."""
    return f"{words.metric_title(metric)} ({words.runs(metric)})"


def quiet(axes: Axes) -> None:
    """Takes away what a map needs not: spines and ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
