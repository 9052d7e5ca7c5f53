"""How every chart of the report looks, and how it becomes part of the page.

Colours are Okabe and Ito's, which stay apart for colour-blind readers and in print; each series
also has a marker of its own, so that colour is never the only difference.
"""

from __future__ import annotations

import html
import io
import re
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1f2933", "#52606d", "#e4e7eb"
POLICY_COLOURS = {"base": "#6b7280", "warm_up": "#d55e00", "reinforce": "#0072b2", "extrapolate": "#00795a"}
POLICY_MARKERS = {"base": "s", "warm_up": "^", "reinforce": "o", "extrapolate": "D"}
POLICY_NAMES = {
    "base": "base",
    "warm_up": "warmed up",
    "reinforce": "reinforced",
    "extrapolate": "extrapolated",
}
OTHER_COLOURS = ("#cc79a7", "#8a6d00", "#56b4e9", "#000000")
STYLE = {
    "svg.fonttype": "none",  # text stays text: selectable, searchable, small
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": "#9aa5b1",
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "text.parse_math": False,  # a label with dollar signs is text
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}
# One size for all charts that stand side by side, so that their letters are of one size too; in inches.
CHART_WIDTH, CHART_HEIGHT = 5.2, 2.9
# Attributes of one run's file that would differ in the next: date and generator.
_METADATA = {"Date": None, "Creator": None}


class Chart(NamedTuple):
    """A drawing and the words around it."""

    title: str
    svg: str  # empty where there is nothing to draw
    reading: str  # what the axes show, and what is good


def new_figure(*, width: float = CHART_WIDTH, height: float = CHART_HEIGHT) -> tuple[Figure, Axes]:
    """A figure in the report's style; sizes in inches."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    return figure, axes


def colour_of(name: str, position: int = 0) -> str:
    return POLICY_COLOURS.get(name, OTHER_COLOURS[position % len(OTHER_COLOURS)])


def to_svg(figure: Figure, *, label: str) -> str:
    """The figure as an ``<svg>`` element that scales with the page; ids are unique by ``label``."""
    buffer = io.StringIO()
    with plt.rc_context(STYLE | {"svg.hashsalt": label}):
        figure.savefig(buffer, format="svg", metadata=_METADATA, transparent=True)
    plt.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    prefix = re.sub(r"\W+", "-", label.lower())
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\1{prefix}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)


def add_legend(axes: Axes, *, columns: int = 4) -> None:
    """Above the plot, where it covers no point."""
    axes.legend(
        fontsize=9,
        labelcolor=INK,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=columns,
        frameon=False,
        columnspacing=1.1,
        handlelength=1.5,
        handletextpad=0.5,
        borderaxespad=0.3,
    )


def draw_percent(axes: Axes, which: str = "y") -> None:
    """Shares as percentages."""
    formatter = matplotlib.ticker.PercentFormatter(xmax=1.0, decimals=0, symbol=" %")
    (axes.yaxis if which == "y" else axes.xaxis).set_major_formatter(formatter)
