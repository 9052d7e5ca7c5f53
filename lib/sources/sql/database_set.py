"""The databases of a `databases` artifact: rows of its table, and back to what is known of each."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from data_contracts.databases import FILES
from lib.sources.sql.schema import Database, Dialect
from lib.sources.sql.schema_json import database_from_json, database_to_json

SUFFIXES = {Dialect.SQLITE: ".sqlite", Dialect.DUCKDB: ".duckdb"}


def load_databases(artifact: Path, *, benchmark: str | None = "") -> list[Database]:
    """The databases of an artifact, where they lie now.

    Args:
        benchmark: only that one's; "" for those that questions are made about, None for all.
    """
    rows = pq.read_table(artifact / "databases.parquet").to_pylist()
    return [_database_of(row, artifact) for row in rows if benchmark is None or row["benchmark"] == benchmark]


def load_rules(artifact: Path) -> dict[str, str]:
    """By the id of a database, the rule by which results on it are compared."""
    rows = pq.read_table(artifact / "databases.parquet", columns=["id", "rule"]).to_pylist()
    return {row["id"]: row["rule"] for row in rows}


def _database_of(row: dict, artifact: Path) -> Database:
    return database_from_json(json.loads(row["schema"]) | {"path": str(artifact / FILES / row["file"])})


def database_row(database: Database, *, benchmark: str, rule: str) -> dict:
    """A row of data_contracts.databases.DATABASES; the file lies below `files` under the database's id."""
    told = database_to_json(database)
    del told["path"]
    return {
        "id": database.id,
        "benchmark": benchmark,
        "rule": rule,
        "dialect": str(database.dialect),
        "file": f"{database.id}{SUFFIXES[database.dialect]}",
        "num_tables": len(database.tables),
        "num_columns": sum(len(table.columns) for table in database.tables),
        "num_rows": sum(table.rows or 0 for table in database.tables),
        "num_foreign_keys": len(database.foreign_keys),
        "remarks": list(database.remarks),
        "schema": json.dumps(told, ensure_ascii=False),
    }
