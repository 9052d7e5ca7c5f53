"""What the page shows in tables, read from the run's database.

In: a connection to ``run.duckdb``. Out: plain rows for the template. Everything that the page says in
numbers comes from that file, so whoever has it can check the page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import duckdb

from data_contracts.scores import HELD_OUT, SAMPLED, SIGHTS, WORTH

POLICY_ORDER = ("base", "warm_up", "reinforce", "extrapolate")
HEADLINE = {
    "accuracy": "accuracy",
    "accuracy_once": "tools bring no image",
    "accuracy_none": "images hidden",
    "f1": "F1",
    "tool_calls": "tool calls",
    "turns": "turns",
    "format_error_rate": "format errors",
    "executable_rate": "queries that run",
}
WORTH_OF = {WORTH["none"]: "images", WORTH["once"]: "the images of tools"}
COUNTED = frozenset({"tool_calls", "turns"})
SHARES = frozenset({*HEADLINE, "pass_at_k"} - COUNTED)
BUDGET = re.compile(r"_budget_\d+$")
# What stands above the scores of a question set.
TITLES = {
    f"{HELD_OUT}knowledge": "Held-out questions about the knowledge graph",
    f"{HELD_OUT}sql": "Held-out questions about databases",
    f"{HELD_OUT}vision": "Held-out questions about images",
}


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict]:
    """The rows of a query as dictionaries."""
    return connection.sql(query).to_arrow_table().to_pylist()


@dataclass(frozen=True)
class Headline:
    """The score table of one question set: a row a policy, a cell a metric."""

    name: str  # of the set, as the scores have it
    title: str
    scores: list[dict]  # all rows of the set, those of further samples and larger budgets too
    metrics: list[tuple[str, str]]  # (metric, heading)
    policies: list[str]
    cells: dict[tuple[str, str], dict]  # (policy, metric) -> row of the score table
    gains: dict[str, dict] = field(default_factory=dict)  # policy -> gain over the policy before it
    worth: list[dict] = field(default_factory=list)  # what images are worth to each trained policy, with `of`
    num_questions: int = 0


def read_headlines(scores: Sequence[dict]) -> list[Headline]:
    """One a question set, in the order of the scores."""
    return [_read_headline(name, scores) for name in question_sets(scores)]


def question_sets(scores: Sequence[dict]) -> list[str]:
    """Names of what policies were tried on greedily, with the environment's own budget."""
    return list(dict.fromkeys(row["benchmark"] for row in scores if row["metric"] == "accuracy"))


def _set_of(benchmark: str) -> str:
    """The question set of a benchmark's name, without what says how its episodes were made."""
    for suffix in (SAMPLED, *SIGHTS.values()):
        benchmark = benchmark.removesuffix(suffix)
    return BUDGET.sub("", benchmark)


def title_of(name: str) -> str:
    return TITLES.get(name, f"Benchmark {name}")


def _read_headline(name: str, scores: Sequence[dict]) -> Headline:
    """Greedy scores on all questions, and pass@k at the largest k."""
    own = [row for row in scores if _set_of(row["benchmark"]) == name]
    scores, greedy = own, [row for row in own if row["benchmark"] == name]
    sights = [f"{name}{suffix}" for suffix in SIGHTS.values()]
    shown = [row for row in own if row["benchmark"] in (name, *sights) and row["metric"] in HEADLINE]
    cells = {(row["policy"], row["metric"]): row for row in shown}
    policies = order_policies({policy for policy, _ in cells})
    metrics = [(metric, heading) for metric, heading in HEADLINE.items() if any(key[1] == metric for key in cells)]
    most = max((row["k"] for row in scores if row["metric"] == "pass_at_k"), default=0)
    if most > 1:
        metrics.append(("pass_at_k", f"pass@{most}"))
        passes = [row for row in scores if row["metric"] == "pass_at_k" and row["k"] == most]
        cells |= {(row["policy"], "pass_at_k"): row for row in passes}
    by_name = {(row["policy"], row["metric"]): row for row in greedy}
    pairs = [(policy, before, f"accuracy_gain_over_{before}") for before, policy in pairwise(policies)]
    gains = {p: by_name[p, metric] | {"over": before} for p, before, metric in pairs if (p, metric) in by_name}
    worth = [
        by_name[policy, metric] | {"of": of}
        for metric, of in WORTH_OF.items()
        for policy in policies
        if policy != "base" and (policy, metric) in by_name
    ]
    counted = max((cells[policy, "accuracy"]["n"] for policy in policies if (policy, "accuracy") in cells), default=0)
    return Headline(name, title_of(name), own, metrics, policies, cells, gains, worth, counted)


def order_policies(names: set[str]) -> list[str]:
    """In the order of the chain; unknown ones last."""
    known = [name for name in POLICY_ORDER if name in names]
    return known + sorted(names - set(known))


@dataclass(frozen=True)
class FunnelStep:
    """One filter of the synthesis of a domain."""

    domain: str
    name: str
    went_on: int
    share: float  # of what came in at first
    dropped: list[dict]  # rows with reason, count, example


def read_funnel(rows: Sequence[dict]) -> list[FunnelStep]:
    """The filters in order, each with what went on and what was dropped for which reason."""
    keys = list(dict.fromkeys((row["domain"], row["filter"]) for row in rows))
    by_key = {key: [row for row in rows if (row["domain"], row["filter"]) == key] for key in keys}
    went_on = {key: sum(row["count"] for row in by_key[key] if not row["reason"]) for key in keys}
    most = {domain: max(1, *(count for key, count in went_on.items() if key[0] == domain)) for domain, _ in keys}
    return [
        FunnelStep(
            domain=key[0],
            name=key[1],
            went_on=went_on[key],
            share=went_on[key] / most[key[0]],
            dropped=[row for row in by_key[key] if row["reason"] and row["count"]],
        )
        for key in keys
    ]


def read_splits(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """How many questions of each effort, or kind, each split has, and how many different answers they have in all."""
    return rows_of(
        connection,
        """SELECT domain, coalesce(level, hops || CASE hops WHEN 1 THEN ' hop' ELSE ' hops' END) AS effort,
             count(*) FILTER (split = 'train') AS train, count(*) FILTER (split = 'validation') AS validation,
             count(*) FILTER (split = 'test') AS test, count(DISTINCT answer) AS answers
           FROM questions GROUP BY domain, effort
           ORDER BY domain,
             CASE effort WHEN 'medium' THEN 'g' WHEN 'hard' THEN 'h' WHEN 'extra' THEN 'i' ELSE effort END, effort""",
    )


def outcomes_of(episodes: str) -> str:
    """The query for rows of (step, domain, accuracy, reward) over a table of training episodes."""
    return f"""SELECT step, domain, avg(correct::INT) AS accuracy, avg(reward) AS reward FROM {episodes}
               WHERE status <> 'failed' GROUP BY step, domain ORDER BY step, domain"""


def read_outcomes(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """How the episodes came out that reinforcement learned from."""
    return rows_of(connection, outcomes_of("(FROM episodes WHERE stage = 'reinforce')"))


def read_statuses(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    """How greedy episodes ended, by question set and policy."""
    return rows_of(
        connection,
        """SELECT benchmark, policy, status, count(*) AS episodes,
             count(*) / sum(count(*)) OVER (PARTITION BY benchmark, policy) AS share
           FROM episodes WHERE stage = 'evaluate' GROUP BY benchmark, policy, status
           ORDER BY benchmark, policy, episodes DESC, status""",
    )
