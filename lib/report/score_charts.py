"""Charts of how well policies answer.

In: rows of the score table as dictionaries, those of one question set, and the set's title, which tells charts of one
page apart. Out: SVG text, or an empty string where there is nothing to draw.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from data_contracts.scores import IMAGE_ATTENTION, IMAGE_TOKENS, SIGHTS
from lib.percent import percent
from lib.report.chart_style import (
    INK,
    MUTED,
    OTHER_COLOURS,
    POLICY_MARKERS,
    POLICY_NAMES,
    add_legend,
    colour_of,
    draw_percent,
    new_figure,
    to_svg,
)

Row = dict[str, object]

LEVEL = "accuracy_level_"
LEVELS = ("easy", "medium", "hard", "extra")


def draw_forest(scores: Sequence[Row], policies: Sequence[str], about: str) -> str:
    """Greedy accuracy of each policy with its interval, one line a policy."""
    rows = {row["policy"]: row for row in scores if row["metric"] == "accuracy"}
    shown = [policy for policy in policies if policy in rows]
    if not shown:
        return ""
    figure, axes = new_figure(width=8.6, height=0.75 + 0.42 * len(shown))
    for place, policy in enumerate(reversed(shown)):
        row = rows[policy]
        axes.hlines(place, row["low"], row["high"], color=colour_of(policy, place), linewidth=3, alpha=0.55)
        axes.plot(row["value"], place, POLICY_MARKERS.get(policy, "o"), color=colour_of(policy, place), markersize=8)
        text = percent(row["value"])
        axes.annotate(text, (row["value"], place), (0, 8), textcoords="offset points", ha="center", color=INK)
    axes.set_yticks(range(len(shown)), [POLICY_NAMES.get(policy, policy) for policy in reversed(shown)])
    axes.set_ylim(-0.5, len(shown) - 0.25)
    axes.set_xlim(-0.035, 1.035)
    axes.grid(False, axis="y")
    draw_percent(axes, "x")
    axes.set_xlabel("right answers, greedy, with 95 % interval")
    return to_svg(figure, label=f"Accuracy of each policy: {about}")


def draw_by_hops(scores: Sequence[Row], policies: Sequence[str], about: str) -> str:
    """Accuracy by the number of hops that a question needs."""
    return _draw_curves(
        scores, policies, pattern=r"accuracy_hops_(\d+)", xlabel="hops", label=f"Accuracy by hops: {about}", line=False
    )


def draw_by_level(scores: Sequence[Row], policies: Sequence[str], about: str) -> str:
    """Accuracy by the hardness of the gold query; levels of a benchmark's own come after Spider's."""
    found = dict.fromkeys(str(row["metric"]) for row in scores if str(row["metric"]).startswith(LEVEL))
    names = [name.removeprefix(LEVEL) for name in found]
    names.sort(key=lambda name: LEVELS.index(name) if name in LEVELS else len(LEVELS))
    numbered = [
        row | {"metric": f"level_{names.index(str(row['metric']).removeprefix(LEVEL))}"}
        for row in scores
        if row["metric"] in found
    ]
    return _draw_curves(
        numbered,
        policies,
        pattern=r"level_(\d+)",
        xlabel="hardness of the query",
        label=f"Accuracy by hardness: {about}",
        line=False,
        ticks=names,
    )


def draw_by_kind(scores: Sequence[Row], policies: Sequence[str], about: str) -> str:
    """Accuracy by what a question asks for: a line of points a kind, since kinds are many and have long names."""
    rows = {(str(row["metric"]), row["policy"]): row for row in scores if str(row["metric"]).startswith(LEVEL)}
    kinds = list(dict.fromkeys(metric for metric, _ in rows))
    if not kinds:
        return ""
    figure, axes = new_figure(height=1.0 + 0.42 * len(kinds))
    for place, policy in enumerate(policies):
        shift = 0.17 * ((len(policies) - 1) / 2 - place)  # the first policy on top, as in the legend
        shown = [(y + shift, rows[kind, policy]) for y, kind in enumerate(reversed(kinds)) if (kind, policy) in rows]
        colour, ys = colour_of(policy, place), [y for y, _ in shown]
        axes.hlines(ys, [row["low"] for _, row in shown], [row["high"] for _, row in shown], color=colour, alpha=0.5)
        name, marker = POLICY_NAMES.get(policy, policy), POLICY_MARKERS.get(policy, "o")
        values = [row["value"] for _, row in shown]
        axes.plot(values, ys, marker, color=colour, label=name, markersize=4, clip_on=False)
    labels = [f"{kind.removeprefix(LEVEL)} ({max(rows[key]['n'] for key in rows if key[0] == kind)})" for kind in kinds]
    axes.set_yticks(range(len(kinds)), list(reversed(labels)))
    axes.set_ylim(-0.5, len(kinds) - 0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.grid(False, axis="y")
    draw_percent(axes, "x")
    axes.set_xlabel("right answers; in brackets, how many questions", color=MUTED)
    add_legend(axes)
    return to_svg(figure, label=f"Accuracy by kind: {about}")


def draw_budget_curve(scores: Sequence[Row], policies: Sequence[str], about: str) -> str:
    """Accuracy when only so many tool calls are allowed."""
    return _draw_curves(
        scores,
        policies,
        pattern=r"accuracy_budget_(\d+)",
        xlabel="tool calls allowed",
        label=f"Accuracy by tool budget: {about}",
    )


def draw_pass_at_k(scores: Sequence[Row], policies: Sequence[str], about: str) -> str:
    """The chance that at least one of k samples is right."""
    rows = [row | {"metric": f"pass_{row['k']}"} for row in scores if row["metric"] == "pass_at_k"]
    return _draw_curves(rows, policies, pattern=r"pass_(\d+)", xlabel="samples k", label=f"pass@k: {about}")


def draw_pickers(scores: Sequence[Row], policies: Sequence[str], about: str) -> str:
    """One sample, the majority's answer, the answer with the fewest calls: accuracy by policy."""
    names = {"pick_single": "single sample", "pick_majority": "majority", "pick_fewest_calls": "fewest calls"}
    picked = [row for row in scores if row["metric"] in names]
    most = max((row["k"] for row in picked), default=0)
    chosen = [row for row in picked if row["k"] == (1 if row["metric"] == "pick_single" else most)]
    rows = {(row["policy"], row["metric"]): row for row in chosen}
    shown = [policy for policy in policies if (policy, "pick_single") in rows]
    if not shown or most < 2:
        return ""
    figure, axes = new_figure()
    width = 0.8 / len(shown)
    for place, policy in enumerate(shown):
        for position, metric in enumerate(names):
            row = rows.get((policy, metric))
            if row is None:
                continue
            x = position - 0.4 + width * (place + 0.5)
            label = POLICY_NAMES.get(policy, policy) if position == 0 else None
            axes.bar(x, row["value"], width * 0.9, color=colour_of(policy, place), label=label, alpha=0.85)
            axes.vlines(x, row["low"], row["high"], color=INK, linewidth=1)
            top = (x, row["high"])
            axes.annotate(f"{100 * row['value']:.0f}", top, (0, 2), textcoords="offset points", ha="center", size=8)
    axes.set_xticks(range(len(names)), names.values())
    axes.set_ylim(0, 1.1)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.grid(False, axis="x")
    axes.set_xlabel(f"which of {most} samples is taken")
    draw_percent(axes)
    add_legend(axes)
    return to_svg(figure, label=f"Pickers: {about}")


def draw_attention(scores: Sequence[Row], about: str) -> str:
    """The share of one policy's attention that lies on images, as its episodes go on, with and without the tools."""
    names = {"": "tools bring images", SIGHTS["once"]: "tools bring none"}
    tokens = "images' share of the tokens"
    lines = [
        (metric, suffix, rows)
        for suffix, metric in product(names, (IMAGE_ATTENTION, IMAGE_TOKENS))
        if (rows := [row for row in scores if str(row["metric"]).startswith(metric) and _suffix_of(row) == suffix])
    ]
    if not lines:
        return ""
    figure, axes = new_figure()
    for metric, suffix, found in lines:
        rows = sorted(found, key=lambda row: str(row["metric"]))
        xs, colour = range(1, len(rows) + 1), OTHER_COLOURS[len(suffix) > 0]
        values, low, high = ([row[name] for row in rows] for name in ("value", "low", "high"))
        if metric == IMAGE_ATTENTION:
            axes.plot(xs, values, "o-", color=colour, label=names[suffix])
            axes.fill_between(xs, low, high, color=colour, alpha=0.12, lw=0)
        else:
            axes.plot(xs, values, ":", color=colour, label=tokens)
            tokens = None  # that of the other is nearly the same, and one entry says what dots are
    axes.set_xticks(range(1, 6), ["first", "second", "third", "fourth", "last"])
    axes.set_ylim(bottom=0)
    draw_percent(axes)
    axes.set_xlabel("fifth of what the policy wrote", color=MUTED)
    add_legend(axes, columns=2)
    return to_svg(figure, label=f"Attention on images: {about}")


def _suffix_of(row: Row) -> str:
    once = SIGHTS["once"]
    return once if str(row["benchmark"]).endswith(once) else ""


def _draw_curves(
    scores: Sequence[Row],
    policies: Sequence[str],
    *,
    pattern: str,
    xlabel: str,
    label: str,
    line: bool = True,
    ticks: Sequence[str] = (),
) -> str:
    """One curve a policy over the number that ``pattern`` finds in the metric's name; ``ticks`` name the numbers."""
    points = [(row, re.fullmatch(pattern, str(row["metric"]))) for row in scores]
    found = [(row, int(match[1])) for row, match in points if match]
    if not found:
        return ""
    figure, axes = new_figure()
    for place, policy in enumerate(policies):
        rows = sorted(((x, row) for row, x in found if row["policy"] == policy), key=lambda pair: pair[0])
        if not rows:
            continue
        shift = 0.0 if line else 0.12 * (place - (len(policies) - 1) / 2)
        xs = [x + shift for x, _ in rows]
        low, high = [row["low"] for _, row in rows], [row["high"] for _, row in rows]
        colour, marker = colour_of(policy, place), POLICY_MARKERS.get(policy, "o")
        name = POLICY_NAMES.get(policy, policy)
        values = [row["value"] for _, row in rows]
        style = {"marker": marker, "ls": "-" if line else "", "color": colour, "clip_on": False}
        axes.plot(xs, values, label=name, **style)
        if line:
            axes.fill_between(xs, low, high, color=colour, alpha=0.12, lw=0)
        else:
            axes.vlines(xs, low, high, color=colour, alpha=0.6)
    places = sorted({x for _, x in found})
    axes.set_xticks(places, [ticks[place] for place in places] if ticks else None)
    axes.set_ylim(-0.02, 1.02)
    draw_percent(axes)
    axes.set_xlabel(xlabel, color=MUTED)
    add_legend(axes)
    return to_svg(figure, label=label)
