"""Charts of how training went, and of what lies ahead of it.

In: rows of the tables ``steps``, ``sweep`` and ``tensor_fits`` as dictionaries. Out: SVG text, or an
empty string where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.report.chart_style import INK, MUTED, add_legend, colour_of, draw_percent, new_figure, to_svg

Row = dict[str, object]
METHODS = {"relex": ("extrapolated (RELEX)", "#00795a", "D"), "scaled_delta": ("scaled last delta", "#cc79a7", "v")}


@dataclass(frozen=True)
class Panel:
    """One chart of a column of the step table."""

    title: str
    stage: str
    columns: dict[str, str]  # column -> its name in the legend
    is_share: bool = False


PANELS = (
    Panel("Loss of the warm-up", "warm_up", {"loss": "loss"}),
    Panel("Reward and accuracy", "reinforce", {"reward_mean": "reward", "accuracy": "right answers"}, is_share=True),
    Panel("Entropy, nats a token", "reinforce", {"entropy": "entropy"}),
    Panel("Tool calls and turns", "reinforce", {"tool_calls_mean": "tool calls", "turns_mean": "turns"}),
    Panel("Sampler and trainer apart, nats", "reinforce", {"mismatch_mean": "mean", "mismatch_max": "largest"}),
    Panel("Loss of reinforcement", "reinforce", {"loss": "loss"}),
)
LINE_STYLES = ("-", "--")


def draw_training(steps: Sequence[Row]) -> list[tuple[str, str]]:
    """(title, SVG) of each panel that has rows."""
    charts = []
    for panel in PANELS:
        rows = sorted((row for row in steps if row["stage"] == panel.stage), key=lambda row: row["step"])
        if rows:
            charts.append((panel.title, _draw_panel(panel, rows)))
    return charts


def _draw_panel(panel: Panel, rows: list[Row]) -> str:
    figure, axes = new_figure(height=2.6)
    colours = (colour_of(panel.stage), INK)
    for (column, name), colour, style in zip(panel.columns.items(), colours, LINE_STYLES, strict=False):
        values = [row[column] for row in rows]
        axes.plot([row["step"] for row in rows], values, style, color=colour, label=name, marker="o", markersize=3)
    if panel.is_share:
        axes.set_ylim(min(0.0, *(row[column] for row in rows for column in panel.columns)) - 0.02, 1.02)
        draw_percent(axes)
    else:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel("step")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(panel.columns) > 1:
        add_legend(axes)
    return to_svg(figure, label=panel.title)


def draw_sweep(sweep: Sequence[Row]) -> str:
    """Validation accuracy against how far ahead of the last step a model lies; 1 is the last step."""
    last = next((row for row in sweep if row["method"] == "last_step"), None)
    if last is None:
        return ""
    figure, axes = new_figure()
    axes.axhspan(last["low"], last["high"], color=colour_of("reinforce"), alpha=0.1, lw=0)
    axes.axhline(last["accuracy"], color=colour_of("reinforce"), ls=":", lw=1.2)
    axes.plot(1.0, last["accuracy"], "o", color=colour_of("reinforce"), ms=7, label="last trained step")
    ahead: dict[str, Callable[[float], float]] = {"relex": lambda t: t / last["target"], "scaled_delta": lambda t: t}
    for shift, (method, (name, colour, marker)) in zip((-0.008, 0.008), METHODS.items(), strict=True):
        rows = [row for row in sweep if row["method"] == method]
        xs = [ahead[method](row["target"]) + shift for row in rows]
        axes.plot(xs, [row["accuracy"] for row in rows], marker, color=colour, label=name, ls="-", lw=0.8)
        axes.vlines(xs, [row["low"] for row in rows], [row["high"] for row in rows], color=colour, alpha=0.6)
        for x, row in zip(xs, rows, strict=True):
            if row["chosen"]:
                axes.plot(x, row["accuracy"], "o", ms=13, mfc="none", mec=colour, mew=1.2)
                point = (x, row["accuracy"])
                axes.annotate("published", point, (9, 9), textcoords="offset points", color=colour, size=8)
    axes.set_ylim(-0.02, 1.02)
    draw_percent(axes)
    axes.set_xlabel("target step / last step, or scale of the last delta")
    add_legend(axes)
    return to_svg(figure, label="Sweep of extrapolated models")


def draw_tensor_fits(fits: Sequence[Row]) -> str:
    """How many tensors move on a straight line, and how much of their way is one direction."""
    moved = [row for row in fits if row["explained_variance"] > 0]
    if not moved:
        return ""
    figure, axes = new_figure()
    bins = np.linspace(0, 1, 21)
    columns = {"r_squared": "R² of the line", "explained_variance": "variance along the first directions"}
    values = [np.clip([row[column] for row in moved], 0, 1) for column in columns]
    axes.hist(values, bins=bins, label=list(columns.values()), color=["#00795a", "#b8bfc6"])
    axes.set_xlabel("share")
    axes.set_ylabel(f"tensors, of {len(moved)} that moved", color=MUTED)
    axes.grid(False, axis="x")
    add_legend(axes)
    return to_svg(figure, label="Fit of each tensor")
