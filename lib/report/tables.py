"""What the page shows in tables, read from the run's database.

In: a connection to ``run.duckdb``. Out: plain rows for the template. Everything that the page says in
numbers comes from that file, so whoever has it can check the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import duckdb

POLICY_ORDER = ("base", "warm_up", "reinforce", "extrapolate")
HEADLINE = {
    "accuracy": "accuracy",
    "f1": "F1",
    "tool_calls": "tool calls",
    "turns": "turns",
    "format_error_rate": "format errors",
}
SHARES = frozenset({"accuracy", "f1", "format_error_rate", "pass_at_k"})


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict]:
    """The rows of a query as dictionaries."""
    return connection.sql(query).to_arrow_table().to_pylist()


@dataclass(frozen=True)
class Headline:
    """The score table: a row a policy, a cell a metric."""

    metrics: list[tuple[str, str]]  # (metric, heading)
    policies: list[str]
    cells: dict[tuple[str, str], dict]  # (policy, metric) -> row of the score table
    gains: dict[str, dict] = field(default_factory=dict)  # policy -> gain over the policy before it
    num_questions: int = 0


def read_headline(scores: Sequence[dict]) -> Headline:
    """Greedy scores on all held-out questions, and pass@k at the largest k."""
    greedy = [row for row in scores if row["benchmark"] == "held_out"]
    cells = {(row["policy"], row["metric"]): row for row in greedy if row["metric"] in HEADLINE}
    policies = order_policies({policy for policy, _ in cells})
    metrics = list(HEADLINE.items())
    most = max((row["k"] for row in scores if row["metric"] == "pass_at_k"), default=0)
    if most > 1:
        metrics.append(("pass_at_k", f"pass@{most}"))
        passes = [row for row in scores if row["metric"] == "pass_at_k" and row["k"] == most]
        cells |= {(row["policy"], "pass_at_k"): row for row in passes}
    by_name = {(row["policy"], row["metric"]): row for row in greedy}
    pairs = [(policy, before, f"accuracy_gain_over_{before}") for before, policy in pairwise(policies)]
    gains = {p: by_name[p, metric] | {"over": before} for p, before, metric in pairs if (p, metric) in by_name}
    counted = max((cells[policy, "accuracy"]["n"] for policy in policies if (policy, "accuracy") in cells), default=0)
    return Headline(metrics, policies, cells, gains, counted)


def order_policies(names: set[str]) -> list[str]:
    """In the order of the chain; unknown ones last."""
    known = [name for name in POLICY_ORDER if name in names]
    return known + sorted(names - set(known))


@dataclass(frozen=True)
class FunnelStep:
    """One filter of the synthesis."""

    name: str
    went_on: int
    share: float  # of what came in at first
    dropped: list[dict]  # rows with reason, count, example


def read_funnel(rows: Sequence[dict]) -> list[FunnelStep]:
    """The filters in order, each with what went on and what was dropped for which reason."""
    names = list(dict.fromkeys(row["filter"] for row in rows))
    by_name = {name: [row for row in rows if row["filter"] == name] for name in names}
    went_on = {name: sum(row["count"] for row in by_name[name] if not row["reason"]) for name in names}
    most = max([*went_on.values(), 1])
    return [
        FunnelStep(
            name=name,
            went_on=went_on[name],
            share=went_on[name] / most,
            dropped=[row for row in by_name[name] if row["reason"] and row["count"]],
        )
        for name in names
    ]


def read_splits(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    return rows_of(
        connection,
        """SELECT split, hops, count(*) AS questions, count(DISTINCT answer) AS answers FROM questions
           GROUP BY split, hops ORDER BY CASE split WHEN 'train' THEN 0 WHEN 'validation' THEN 1 ELSE 2 END, hops""",
    )


def read_statuses(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """How greedy episodes ended, by policy."""
    return rows_of(
        connection,
        """SELECT policy, status, count(*) AS episodes, count(*) / sum(count(*)) OVER (PARTITION BY policy) AS share
           FROM episodes WHERE stage = 'evaluate' AND benchmark = 'held_out' GROUP BY policy, status
           ORDER BY policy, episodes DESC""",
    )
