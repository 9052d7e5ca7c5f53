"""What one stage's artifact says at a glance: what was dropped and why, rows to look at, gates, curves.

In: the folder of an artifact. Out: plain rows and charts, for whoever shows them. Each function gives
nothing where the artifact has no such table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from lib.report.gates import Gate, measure_gates
from lib.settings.settings import Settings

# Tables whose rows are worth sorting, and what of them is shown.
SORTABLE = {
    "funnel": "SELECT * FROM rows ORDER BY position",
    "databases": """SELECT id, benchmark, dialect, num_tables, num_columns, num_rows, num_foreign_keys,
                    array_to_string(remarks, '; ') AS remarks FROM rows ORDER BY benchmark, id""",
    "images": """SELECT id, collection, split, labels[1] AS label, width, height, len(parts) AS parts,
                 array_to_string(remarks, '; ') AS remarks FROM rows ORDER BY collection, id""",
    "rejected_rows": "SELECT file, line, reason, content FROM rows ORDER BY file, line",
    "sweep": "SELECT method, target, accuracy, low, high, gain, gain_low, gain_high, n, chosen FROM rows",
    "scores": "SELECT policy, benchmark, metric, value, low, high, n, k FROM rows ORDER BY benchmark, metric, policy",
    "steps": """SELECT * REPLACE (list_aggregate(list_transform(dropped, lambda d: d.reason || ' ' || d.count),
                                  'string_agg', ', ') AS dropped) FROM rows ORDER BY step""",
}
MOST_ROWS = 500

# Rows by table that say why something was left out.
DROPPED = {
    "funnel": """SELECT domain || ', ' || filter || ': ' || reason AS reason, count, example FROM rows
                 WHERE reason <> '' AND count > 0 ORDER BY position, count DESC, reason""",
    "rejected_rows": """SELECT reason, count(*) AS count, min(content) AS example FROM rows
                        GROUP BY reason ORDER BY count DESC, reason""",
    "steps": """SELECT d.reason AS reason, sum(d.count)::BIGINT AS count, '' AS example
                FROM (SELECT unnest(dropped) AS d FROM rows) GROUP BY reason HAVING count > 0
                ORDER BY count DESC, reason""",
}
MOST_REASONS = 15

# What a reader wants of a row, by table.
SAMPLES = {
    "facts": "subject_id, relation, object_id",
    "questions": "domain, prompt, answer, split",
    "databases": "id, dialect, num_tables, num_columns, num_rows, num_foreign_keys",
    "images": "id, split, labels[1] AS label, width, height",
    "episodes": "question_id, status, answer, correct, len(tokens) AS tokens",
    "steps": "step, loss, reward_mean, accuracy, entropy, num_tokens",
    "tensor_fits": "tensor, r_squared, explained_variance",
    "scores": "policy, benchmark, metric, value, low, high, n",
}


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, and how many there are."""

    name: str
    rows: list[dict[str, Any]]
    total: int


def read_dropped(folder: Path) -> list[dict[str, Any]]:
    """``{"reason", "count", "example"}``, the most frequent reasons of each table."""
    return [row for name, query in DROPPED.items() for row in _ask(folder, name, query, MOST_REASONS)]


def read_sortable(folder: Path) -> Rows | None:
    """The table whose rows are worth sorting, if the artifact has one with rows."""
    for name, query in SORTABLE.items():
        if rows := _ask(folder, name, query, MOST_ROWS):
            return Rows(name, rows, _ask(folder, name, "SELECT count(*) AS n FROM rows", 1)[0]["n"])
    return None


def read_samples(folder: Path, table: str, num_rows: int) -> list[dict[str, Any]]:
    """The first rows of a table."""
    return _ask(folder, table, f"SELECT {SAMPLES[table]} FROM rows", num_rows) if table in SAMPLES else []


def gates_of(stage: str, settings: Settings, folders: Mapping[str, Path]) -> list[Gate]:
    """The gates that the stage's own tables decide; ``folders`` holds its artifact, and the base policy's if known."""
    kept = {name: path for name, path in folders.items() if name in (stage, "base")}
    gates = measure_gates(settings, inputs=kept)
    return [gate for gate in gates if gate.passed is not None and stage in gate.stage.split(", ")]


def draw_curves(stage: str, folder: Path) -> list[tuple[str, str]]:
    """Pairs of a title and an SVG image."""
    # Loads matplotlib, which takes a second.
    from lib.report import score_charts, training_charts
    from lib.report.tables import POLICY_ORDER, outcomes_of, read_headlines

    steps = [row | {"stage": stage} for row in _ask(folder, "steps", "SELECT * EXCLUDE dropped FROM rows", None)]
    learned = _ask(folder, "episodes", outcomes_of("rows"), None) if stage == "reinforce" else []
    charts = [(chart.title, chart.svg) for chart in training_charts.draw_training(steps, learned)]
    sweep = _ask(folder, "sweep", "FROM rows", None)
    charts.append(("Validation accuracy ahead of training", training_charts.draw_sweep(sweep)))
    for headline in read_headlines(_ask(folder, "scores", "FROM rows", None)):
        charts.append((headline.title, score_charts.draw_forest(headline.scores, POLICY_ORDER, headline.title)))
    return [(title, svg) for title, svg in charts if svg]


def _ask(folder: Path, table: str, query: str, limit: int | None) -> list[dict[str, Any]]:
    """The rows of a query over ``rows``, the table of that name."""
    path = folder / f"{table}.parquet"
    if not path.exists():
        return []
    with duckdb.connect() as connection:
        connection.read_parquet(str(path)).create_view("rows")
        ending = "" if limit is None else f" LIMIT {limit}"
        return connection.sql(query + ending).to_arrow_table().to_pylist()
