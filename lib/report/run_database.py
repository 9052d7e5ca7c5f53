"""One DuckDB file that holds a whole run, so that it opens without this project's code.

In: the artifacts of a run, its lineage, its costs and its gates. Out: ``run.duckdb`` with a comment on every
table. Tokens, masks and log-probabilities stay in the episodes' Parquet files; their counts are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from data_contracts.contract import Contract
from data_contracts.episodes import EPISODES
from data_contracts.questions import FUNNEL, QUESTIONS
from data_contracts.scores import SCORES
from data_contracts.training import STEPS, SWEEP, TENSOR_FITS
from lib.report.gates import Gate, gates_table
from lib.store.new_database import new_database

LINEAGE = pa.schema(
    [
        ("artifact", pa.string()),  # digest
        ("kind", pa.string()),
        ("stage", pa.string()),
        ("rows", pa.int64()),
        ("origin", pa.string()),  # in words, where no stage of the run made it; else empty
        ("input", pa.string()),  # digest of one input; null where there is none
        ("input_stage", pa.string()),
    ]
)
COSTS = pa.schema(
    [
        ("stage", pa.string()),
        ("seconds", pa.float64()),
        ("tokens", pa.int64()),
        ("peak_memory_mb", pa.float64()),
        ("cached", pa.bool_()),
    ]
)
# Table -> its contract, the stages whose artifacts hold it, and what a reader should know.
TABLES: dict[str, tuple[Contract, tuple[str, ...], str]] = {
    "questions": (QUESTIONS, ("synthesize",), "One question a row, with answer, evidence or gold SQL, and split."),
    "funnel": (FUNNEL, ("synthesize",), "What each filter of the synthesis dropped, and why."),
    "steps": (STEPS, ("warm_up", "reinforce"), "One optimizer step a row."),
    "episodes": (
        EPISODES,
        ("demonstrate", "reinforce", "evaluate"),
        "One attempt a row, without its tokens, mask and log-probabilities.",
    ),
    "sweep": (SWEEP, ("extrapolate",), "Extrapolated models and baselines on validation questions."),
    "tensor_fits": (TENSOR_FITS, ("extrapolate",), "The path of each weight tensor along training."),
    "scores": (SCORES, ("evaluate",), "One score a row: policy, benchmark, metric, 95 % interval."),
}
COUNTED = "len(tokens) AS num_tokens, len(list_filter(action_mask, lambda m: m)) AS num_action_tokens"
EXTRA_COLUMNS = {"episodes": f"* EXCLUDE (tokens, action_mask, logprobs), {COUNTED}"}
# Tables that several stages write name the stage in their first column.
STAGED = frozenset(name for name, (_, stages, _) in TABLES.items() if len(stages) > 1)


def write_run_database(
    path: Path,
    *,
    inputs: Mapping[str, Path],
    lineage: Iterable[dict],
    costs: Iterable[dict],
    gates: Iterable[Gate],
) -> None:
    """Write every table of the run; one that no stage of ``inputs`` holds is there, empty."""
    with new_database(path) as connection:
        for name, (contract, stages, comment) in TABLES.items():
            _create(connection, name, contract, [stage for stage in stages if stage in inputs], inputs)
            _comment(connection, name, comment)
        for name, table, comment in (
            ("lineage", lineage_table(lineage), "One input of an artifact a row."),
            ("costs", costs_table(costs), "What each stage took; cached ones when they were made."),
            ("gates", gates_table(gates), "One check of the chain a row: value, bound, passed or not."),
        ):
            connection.register("given", table)
            connection.execute(f"CREATE TABLE {name} AS FROM given")
            connection.unregister("given")
            _comment(connection, name, comment)


def lineage_table(lineage: Iterable[dict]) -> pa.Table:
    """Items ``{stage, kind, digest, rows, origin, inputs: [{stage, digest}]}`` as one row an input."""
    rows = [
        {
            "artifact": item["digest"],
            "kind": item["kind"],
            "stage": item["stage"],
            "rows": item.get("rows"),
            "origin": item.get("origin", ""),
            "input": source["digest"],
            "input_stage": source["stage"],
        }
        for item in lineage
        for source in item["inputs"] or [{"digest": None, "stage": None}]
    ]
    return pa.Table.from_pylist(rows, schema=LINEAGE)


def costs_table(costs: Iterable[dict]) -> pa.Table:
    return pa.Table.from_pylist([{name: item.get(name) for name in COSTS.names} for item in costs], schema=COSTS)


def _create(
    connection: duckdb.DuckDBPyConnection, name: str, contract: Contract, stages: list[str], inputs: Mapping[str, Path]
) -> None:
    columns = EXTRA_COLUMNS.get(name, "*")
    staged = name in STAGED
    connection.register("empty", contract.schema.empty_table())
    label = "'' AS stage, " if staged else ""
    connection.execute(f"CREATE TABLE {name} AS SELECT {label}{columns} FROM empty")
    connection.unregister("empty")
    for stage in stages:
        file = inputs[stage] / f"{name}.parquet"
        if file.exists():
            label = "? AS stage, " if staged else ""
            parameters = [stage, str(file)] if staged else [str(file)]
            connection.execute(f"INSERT INTO {name} BY NAME SELECT {label}{columns} FROM read_parquet(?)", parameters)


def _comment(connection: duckdb.DuckDBPyConnection, name: str, comment: str) -> None:
    connection.execute(f"COMMENT ON TABLE {name} IS '{comment.replace(chr(39), chr(39) * 2)}'")
