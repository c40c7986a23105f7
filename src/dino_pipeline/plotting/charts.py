"""Line charts as SVG for a page. They use the page's colours, so they follow its light and dark modes."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Color = Literal["ink", "muted", "rule", "teacher", "student", "accent"]

# Unique colours stand in for CSS variables. Each is replaced by the variable of its name.
_STAND_INS: dict[Color, str] = {
    "ink": "#010203",
    "muted": "#040506",
    "rule": "#070809",
    "teacher": "#0a0b0c",
    "student": "#0d0e0f",
    "accent": "#101112",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's font
    "font.size": 9,
    "text.color": _STAND_INS["muted"],
    "axes.labelcolor": _STAND_INS["muted"],
    "axes.edgecolor": _STAND_INS["rule"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 6),
    "grid.color": _STAND_INS["rule"],
    "grid.linewidth": 0.7,
    "xtick.color": _STAND_INS["rule"],
    "xtick.labelcolor": _STAND_INS["muted"],
    "ytick.labelcolor": _STAND_INS["muted"],
    "ytick.left": False,
}
# Inches. The page shows one about 380 px wide, the other 260; their text then has the size of the page's small text.
_SIZE, _SMALL_SIZE = (4.1, 2.5), (2.8, 1.8)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A curve, or a few joined points with marks."""

    x: Sequence[float]
    y: Sequence[float]
    color: Color
    label: str = ""
    has_marks: bool = False


@dataclass(frozen=True, kw_only=True)
class Level:
    """A horizontal reference line with a label."""

    y: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves over a common axis, with the words that explain them."""

    name: str  # unique in a page, of letters and hyphens
    title: str
    caption: str
    lines: Sequence[Line]
    levels: Sequence[Level] = ()
    x_label: str = "epoch"
    from_zero: bool = False
    is_percentage: bool = False
    is_small: bool = False


def svg(chart: Chart) -> str:
    """The chart as SVG, without title, legend and caption, which the page sets as text."""
    with rc_context({**_STYLE, "svg.hashsalt": chart.name}):
        figure = Figure(figsize=_SMALL_SIZE if chart.is_small else _SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        for line in chart.lines:
            axes.plot(
                line.x,
                line.y,
                color=_STAND_INS[line.color],
                linewidth=1.4,
                marker="o" if line.has_marks else None,
                markersize=3,
            )
        _set_axes(axes, chart)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), chart)


def _set_axes(axes: Axes, chart: Chart) -> None:
    axes.set_xlabel(chart.x_label)
    axes.xaxis.set_major_locator(MaxNLocator(4 if chart.is_small else 6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4 if chart.is_small else 5))
    axes.margins(x=0.02)
    if chart.is_percentage:
        axes.yaxis.set_major_formatter("{x:g} %")
    for level in chart.levels:
        axes.axhline(level.y, color=_STAND_INS["ink"], linewidth=0.9, linestyle=(0, (4, 3)))
        axes.annotate(
            level.label,
            (1, level.y),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color=_STAND_INS["ink"],
        )
    if chart.levels:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.09 * (high - low))  # room for the label
    if chart.from_zero:
        axes.set_ylim(bottom=0)


def _inline(document: str, chart: Chart) -> str:
    """Turn matplotlib's document into an element of a page that may hold many."""
    element = document[document.index("<svg") :]
    # Its style sheet would apply to the whole page, and its fonts are not the page's.
    element = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", element, flags=re.DOTALL)
    element = re.sub(r"font-family: [^;]*; ", "", element)
    element = re.sub(r'\s(?:xmlns(?::xlink)?|width|height|version)="[^"]*"', "", element, count=5)
    element = element.replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', element))
    element = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", element)
    element = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{chart.name}-", element)
    for color, stand_in in _STAND_INS.items():
        element = element.replace(stand_in, f"var(--{color})")
    return element.replace("<svg", f'<svg role="img" aria-label="{escape(chart.title)}"', 1).strip()
