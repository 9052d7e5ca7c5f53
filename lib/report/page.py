"""The report's page: what stands on it, and in which order.

In: the run's database, the lineage, the gate's verdict and the settings. Out: one HTML text that needs
no network. Text from data reaches the page only through the template, which escapes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lib.percent import count, percent, points
from lib.report import score_charts, training_charts
from lib.report.chart_style import POLICY_COLOURS, POLICY_NAMES, Chart
from lib.report.contact_sheet import choose_exhibits
from lib.report.gates import tell_measured
from lib.report.lineage_graph import BOX_HEIGHT, BOX_WIDTH, lay_out
from lib.report.readable_episodes import choose_episodes
from lib.report.tables import (
    SHARES,
    Headline,
    read_funnel,
    read_headlines,
    read_outcomes,
    read_splits,
    read_statuses,
    rows_of,
)
from lib.settings.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"
STATUS_WORDS = {
    "answered": "answered",
    "malformed": "a turn was malformed",
    "out_of_calls": "ran out of tool calls",
    "out_of_turns": "ran out of turns",
    "too_long": "grew too long",
    "no_answer": "gave no answer",
    "failed": "broke, not by its own fault",
}


def render_page(
    connection: duckdb.DuckDBPyConnection,
    *,
    settings: Settings,
    lineage: Sequence[dict],
    gate: dict | None,
    images: Path | None = None,
) -> str:
    """The whole page as one text.

    Args:
        images: the folder of the run's images, where it has some.
    """
    scores = rows_of(connection, "FROM scores")
    headlines = read_headlines(scores)
    steps = rows_of(connection, "FROM steps")
    costs = rows_of(connection, "FROM costs")
    return (
        _environment()
        .get_template("report.html")
        .render(
            settings=settings,
            settings_json=json.dumps(settings.model_dump(mode="json"), indent=2, ensure_ascii=False),
            headlines=headlines,
            forests={
                item.name: Markup(score_charts.draw_forest(item.scores, item.policies, item.title))
                for item in headlines
            },
            efforts={item.name: _charts(_effort_charts(item)) for item in headlines},
            gates=rows_of(connection, "FROM gates"),
            statuses=_by_set(read_statuses(connection)),
            funnel=read_funnel(rows_of(connection, "FROM funnel ORDER BY position")),
            splits=read_splits(connection),
            exhibits=choose_exhibits(connection, images),
            training=_charts(training_charts.draw_training(steps, read_outcomes(connection))),
            gate=gate,
            sweep=rows_of(connection, "FROM sweep ORDER BY method = 'last_step' DESC, method, target"),
            extrapolation=_charts(_extrapolation_charts(connection)),
            test_time={item.name: _charts(_test_time_charts(item)) for item in headlines},
            episodes=choose_episodes(connection),
            lineage=lay_out(lineage),
            box=(BOX_WIDTH, BOX_HEIGHT),
            costs=costs,
            longest=max((cost["seconds"] or 0.0 for cost in costs), default=0.0) or 1.0,
            tables=rows_of(connection, "SELECT table_name, comment, estimated_size FROM duckdb_tables() ORDER BY 1"),
            status_words=STATUS_WORDS,
        )
    )


def _effort_charts(headline: Headline) -> list[Chart]:
    return [
        Chart(
            "Accuracy by hops",
            score_charts.draw_by_hops(headline.scores, headline.policies, headline.title),
            "Share of right answers, with 95 % intervals, by the number of look-ups that a question needs; higher is "
            "better, and a level row says that longer questions cost nothing.",
        ),
        _level_chart(headline),
        Chart(
            "Attention on images",
            score_charts.draw_attention(headline.scores, headline.title),
            "Share of the last policy's attention that lies on images, with 95 % bands, from the start of what it "
            "writes to the end, on questions at which it calls a tool; a line that does not fall says that the policy "
            "goes on looking. Dotted: the images' share of the tokens.",
        ),
    ]


def _level_chart(headline: Headline) -> Chart:
    """The level of a query is its hardness, that of a question about images its kind."""
    if any(row["domain"] == "vision" for row in headline.scores):
        return Chart(
            "Accuracy by kind",
            score_charts.draw_by_kind(headline.scores, headline.policies, headline.title),
            "Share of right answers, with 95 % intervals, by what a question asks for; higher is better.",
        )
    return Chart(
        "Accuracy by hardness",
        score_charts.draw_by_level(headline.scores, headline.policies, headline.title),
        "Share of right answers, with 95 % intervals, by how hard the right query is to write, by Spider's count of "
        "its parts; higher is better.",
    )


def _extrapolation_charts(connection: duckdb.DuckDBPyConnection) -> list[Chart]:
    return [
        Chart(
            "Validation accuracy ahead of training",
            training_charts.draw_sweep(rows_of(connection, "FROM sweep")),
            "Share of right answers, with 95 % intervals, against how far the weights lie ahead of the last trained "
            "step, which is at 1; above the dotted line is better than that step, within its band hardly so.",
        ),
        Chart(
            "How straight the tensors moved",
            training_charts.draw_tensor_fits(rows_of(connection, "FROM tensor_fits")),
            "Numbers of weight tensors by how well a straight line in time fits their path, and by how much of the "
            "path lies along its first directions; the more of them near 1, the more an extrapolation has to go by.",
        ),
    ]


def _test_time_charts(headline: Headline) -> list[Chart]:
    chosen = (headline.scores, headline.policies, headline.title)
    return [
        Chart(
            "Accuracy by tool budget",
            score_charts.draw_budget_curve(*chosen),
            "Share of right answers, with 95 % bands, when only so many tool calls are allowed; a curve that still "
            "rises at its end would use more.",
        ),
        Chart(
            "pass@k",
            score_charts.draw_pass_at_k(*chosen),
            "Share of questions with a right answer among k samples; higher is better, and a steep rise says that the "
            "policy can find answers which it does not yet find every time.",
        ),
        Chart(
            "Picking one of several samples",
            score_charts.draw_pickers(*chosen),
            "Share of right answers in percent, with 95 % intervals, when one of the samples speaks for all; a bar "
            "above that of the single sample is what the further samples are worth.",
        ),
    ]


def _charts(charts: Sequence[Chart]) -> list[Chart]:
    """Those with something drawn; the template takes their SVG as it is."""
    return [chart._replace(svg=Markup(chart.svg)) for chart in charts if chart.svg]


def _by_set(rows: Sequence[dict]) -> dict[str, dict[str, list[dict]]]:
    """By question set, then by policy."""
    found: dict[str, dict[str, list[dict]]] = {}
    for row in rows:
        found.setdefault(row["benchmark"], {}).setdefault(row["policy"], []).append(row)
    return found


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "metric": _metric,
        "seconds": _seconds,
        "count": _count,
        "name": _name,
        "points": points,
        "measured": _measured,
    }
    environment.globals["colours"] = POLICY_COLOURS
    return environment


def _metric(value: float, metric: str) -> str:
    return percent(value) if metric in SHARES else f"{value:.2f}"


def _measured(gate: dict) -> str:
    return tell_measured(gate["measured"], gate["unit"])


def _seconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f} s" if value < 90 else f"{int(value // 60)} min {value % 60:.0f} s"


def _count(value: int | None) -> str:
    return "–" if value is None else count(value)


def _name(policy: str) -> str:
    return POLICY_NAMES.get(policy, policy)
