"""Charts of how training went, and of what lies ahead of it.

In: rows of the tables ``steps``, ``sweep`` and ``tensor_fits`` as dictionaries. Out: charts, whose SVG
text is empty where there is nothing to draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lib.report.chart_style import INK, MUTED, Chart, add_legend, colour_of, draw_percent, new_figure, to_svg

Row = dict[str, object]
RING = {"marker": "o", "ms": 12, "mfc": "none", "mec": INK, "mew": 1.2, "ls": "", "clip_on": False}
CURVES = {"relex": ("extrapolated (RELEX)", "#00795a", "D"), "scaled_delta": ("scaled last delta", "#cc79a7", "v")}


@dataclass(frozen=True)
class Panel:
    """One chart of a column of the step table."""

    title: str
    stage: str
    columns: dict[str, str]  # column -> its name in the legend
    reading: str


PANELS = (
    Panel(
        "Loss of the warm-up, nats a token",
        "warm_up",
        {"loss": "loss"},
        "How surprised the policy is by the tokens it is trained on, step by step; it should fall and then level out.",
    ),
    Panel(
        "Entropy, nats a token",
        "reinforce",
        {"entropy": "entropy"},
        "How undecided the policy is at each token it samples; a slow fall is good, a drop to zero ends exploration.",
    ),
    Panel(
        "Tool calls and turns",
        "reinforce",
        {"tool_calls_mean": "tool calls", "turns_mean": "turns"},
        "Means an episode; they should settle near what the questions need, at neither nothing nor the limit.",
    ),
    Panel(
        "Sampler and trainer apart, nats",
        "reinforce",
        {"mismatch_mean": "mean", "mismatch_max": "largest"},
        "By how much the two differ in the log-probability of the same token; nearer to zero is better, and the mean "
        "has a gate.",
    ),
    Panel(
        "Importance of tokens",
        "reinforce",
        {"importance_p01": "1 % lie below", "importance_p50": "median", "importance_p99": "1 % lie above"},
        "A token's probability under the trainer over the one that it was sampled with; at 1 the policy that learns is "
        "the one that acted.",
    ),
    Panel(
        "Tokens that the loss holds back",
        "reinforce",
        {"clipped_share": "clipped", "truncated_share": "importance truncated"},
        "Shares of the action tokens: those on which the step has gone far enough, and those that the policy of now "
        "would sample much more often; a few are fine.",
    ),
    Panel(
        "Staleness, steps",
        "reinforce",
        {"staleness_mean": "mean", "staleness_max": "largest"},
        "By how many steps the policy that learned was ahead of the one that had sampled an episode's oldest turn; 0 "
        "where sampling and training take turns.",
    ),
    Panel(
        "Loss of reinforcement",
        "reinforce",
        {"loss": "loss"},
        "The clipped policy loss; it stays around zero by design, so only a sudden jump or a growing swing means "
        "something.",
    ),
)
LINE_STYLES = ("-", "--", ":")
MARKERS = ("o", "^", "s", "D")


def draw_training(steps: Sequence[Row], outcomes: Sequence[Row]) -> list[Chart]:
    """A chart of each panel that has rows.

    Args:
        steps: rows of data_contracts.training.STEPS with their stage.
        outcomes: rows of lib.report.tables.outcomes_of.
    """
    return [*_draw_panels("warm_up", steps), *_draw_learning(outcomes), *_draw_panels("reinforce", steps)]


def _draw_panels(stage: str, steps: Sequence[Row]) -> list[Chart]:
    rows = sorted((row for row in steps if row["stage"] == stage), key=lambda row: row["step"])
    panels = [panel for panel in PANELS if panel.stage == stage] if rows else []
    return [Chart(panel.title, _draw_panel(panel, rows), panel.reading) for panel in panels]


def _draw_panel(panel: Panel, rows: list[Row]) -> str:
    figure, axes = new_figure()
    colours = (colour_of(panel.stage), INK)
    for (column, name), colour, style in zip(panel.columns.items(), colours, LINE_STYLES, strict=False):
        values = [row[column] for row in rows]
        look = {"color": colour, "marker": "o", "markersize": 3, "clip_on": False}
        axes.plot([row["step"] for row in rows], values, style, label=name, **look)
    shown = [row[column] for row in rows for column in panel.columns]
    least, most = min(shown), max(shown)
    if least >= 0:
        # A line that lies at zero throughout still gets an axis that begins there.
        axes.set_ylim(0, 1.05 * most or 1.0)
    axes.set_xlabel("step")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(panel.columns) > 1:
        add_legend(axes)
    return to_svg(figure, label=panel.title)


def _draw_learning(outcomes: Sequence[Row]) -> list[Chart]:
    """How the episodes of reinforcement came out, a line a domain."""
    if not outcomes:
        return []
    return [
        Chart(
            "Right answers in training",
            _draw_by_domain(outcomes, "accuracy", label="Right answers in training", is_share=True),
            "Share of the episodes of each step whose answer is right, by domain. Few questions stand behind a point: "
            "it is the trend that should rise.",
        ),
        Chart(
            "Reward in training",
            _draw_by_domain(outcomes, "reward", label="Reward in training"),
            "Mean reward of the episodes of each step, by domain; it should rise with the right answers, and where it "
            "falls behind them, they lose points for form or repeated searches.",
        ),
    ]


def _draw_by_domain(outcomes: Sequence[Row], column: str, *, label: str, is_share: bool = False) -> str:
    figure, axes = new_figure()
    domains = sorted({str(row["domain"]) for row in outcomes})
    for place, domain in enumerate(domains):
        rows = [row for row in outcomes if row["domain"] == domain]
        look = {"color": colour_of(domain, place), "marker": MARKERS[place % len(MARKERS)], "markersize": 4}
        axes.plot([row["step"] for row in rows], [row[column] for row in rows], label=domain, clip_on=False, **look)
    if is_share:
        axes.set_ylim(-0.02, 1.02)
        draw_percent(axes)
    axes.set_xlabel("step")
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(domains) > 1:
        add_legend(axes)
    return to_svg(figure, label=label)


def draw_sweep(sweep: Sequence[Row]) -> str:
    """Validation accuracy against how far ahead of the last step a model lies; 1 is the last step."""
    last = next((row for row in sweep if row["method"] == "last_step"), None)
    if last is None:
        return ""
    figure, axes = new_figure()
    axes.axhspan(last["low"], last["high"], color=colour_of("reinforce"), alpha=0.1, lw=0)
    axes.axhline(last["accuracy"], color=colour_of("reinforce"), ls=":", lw=1.2)
    axes.plot(1.0, last["accuracy"], "o", color=colour_of("reinforce"), ms=7, label="last trained step", clip_on=False)
    ahead: dict[str, Callable[[float], float]] = {"relex": lambda t: t / last["target"], "scaled_delta": lambda t: t}
    # Side by side where both methods have a model at one place.
    furthest = max((ahead[row["method"]](row["target"]) for row in sweep if row["method"] in ahead), default=1.0)
    aside = 0.02 * (furthest - 1)
    for shift, (method, (name, colour, marker)) in zip((-aside, aside), CURVES.items(), strict=True):
        rows = [row for row in sweep if row["method"] == method]
        xs = [ahead[method](row["target"]) + shift for row in rows]
        accuracies = [row["accuracy"] for row in rows]
        axes.plot(xs, accuracies, marker, color=colour, label=name, ls="-", lw=0.8, clip_on=False)
        axes.vlines(xs, [row["low"] for row in rows], [row["high"] for row in rows], color=colour, alpha=0.6)
        for x, row in zip(xs, rows, strict=True):
            if row["chosen"]:
                axes.plot(x, row["accuracy"], label="published", **RING)
    axes.set_ylim(-0.02, 1.02)
    draw_percent(axes)
    axes.set_xlabel("target step / last step, or scale of the last delta")
    add_legend(axes, columns=2)
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
