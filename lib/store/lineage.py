"""Lineage as tables: DuckDB over the manifests and run records.

In: a store. Out: a connection with the tables `artifacts`, `inputs`, `stage_runs` and `costs`.
The JSON files are the truth and are only read; the tables live in memory.
"""

from __future__ import annotations

import logging
from pathlib import Path

import duckdb
from pydantic import ValidationError

from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import MANIFEST, Manifest, Record, RunRecord

logger = logging.getLogger("ropewalk.store")

# Columns that are read from the JSON files; anything else in them is skipped.
PROVENANCE = """STRUCT(stage VARCHAR, fingerprint VARCHAR, inputs MAP(VARCHAR, STRUCT(kind VARCHAR, digest VARCHAR)),
    cost STRUCT(seconds DOUBLE, peak_memory_mb DOUBLE, tokens BIGINT), started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ)"""
MANIFEST_COLUMNS = {
    "kind": "VARCHAR",
    "contracts": "VARCHAR",
    "digest": "VARCHAR",
    "rows": "MAP(VARCHAR, BIGINT)",
    "size": "BIGINT",
    "provenance": PROVENANCE,
}
RUN_COLUMNS = {"artifact": "STRUCT(kind VARCHAR, digest VARCHAR)", "provenance": PROVENANCE}

TABLES = {
    "artifacts": """SELECT kind, digest, contracts, rows, size, provenance.stage AS stage,
        provenance.fingerprint AS fingerprint, provenance.finished_at AS finished_at
        FROM manifests ORDER BY finished_at, kind, digest""",
    "stage_runs": """SELECT provenance.stage AS stage, provenance.fingerprint AS fingerprint,
        artifact.kind AS kind, artifact.digest AS digest, provenance.started_at AS started_at,
        provenance.finished_at AS finished_at FROM runs ORDER BY finished_at, stage""",
    "inputs": """SELECT DISTINCT stage, fingerprint, kind, digest, entry.key AS input_stage,
        entry.value.kind AS input_kind, entry.value.digest AS input_digest
        FROM (SELECT provenance.stage AS stage, provenance.fingerprint AS fingerprint, artifact.kind AS kind,
              artifact.digest AS digest, unnest(map_entries(provenance.inputs)) AS entry FROM runs)
        ORDER BY stage, fingerprint, input_stage""",
    "costs": """SELECT provenance.stage AS stage, provenance.fingerprint AS fingerprint,
        provenance.cost.seconds AS seconds, provenance.cost.peak_memory_mb AS peak_memory_mb,
        provenance.cost.tokens AS tokens FROM runs ORDER BY provenance.finished_at, stage""",
}


def open_lineage(store: ArtifactStore) -> duckdb.DuckDBPyConnection:
    """A connection to the lineage tables of everything in the store; empty tables for an empty store.

    Files that cannot be read are logged and left out.
    """
    connection = duckdb.connect()
    _load(connection, "manifests", sorted(store.root.glob(f"artifacts/*/*/{MANIFEST}")), MANIFEST_COLUMNS, Manifest)
    _load(connection, "runs", sorted(store.root.glob("runs/*/*.json")), RUN_COLUMNS, RunRecord)
    for name, query in TABLES.items():
        connection.execute(f"CREATE TABLE {name} AS {query}")
    return connection


def ancestors(store: ArtifactStore, digest: str) -> list[dict]:
    """The artifact and all it was made from, each with its direct inputs; the artifact comes first."""
    with open_lineage(store) as connection:
        rows = connection.execute(
            """WITH RECURSIVE above(digest, depth) AS (
                   SELECT $digest, 0
                   UNION SELECT input_digest, depth + 1 FROM inputs JOIN above USING (digest)),
               nearest AS (SELECT digest, min(depth) AS depth FROM above GROUP BY digest),
               direct AS (SELECT digest, list(DISTINCT {'stage': input_stage, 'digest': input_digest}
                                              ORDER BY {'stage': input_stage, 'digest': input_digest}) AS inputs
                          FROM inputs GROUP BY digest)
               SELECT kind, digest, stage, depth, inputs
               FROM nearest JOIN artifacts USING (digest) LEFT JOIN direct USING (digest)
               ORDER BY depth, kind, digest""",
            {"digest": digest},
        ).fetchall()
    names = ("kind", "digest", "stage", "depth", "inputs")
    return [{**dict(zip(names, row, strict=True)), "inputs": row[4] or []} for row in rows]


def _load(
    connection: duckdb.DuckDBPyConnection, name: str, files: list[Path], columns: dict[str, str], record: type[Record]
) -> None:
    declared = ", ".join(f'"{column}" {type_}' for column, type_ in columns.items())
    connection.execute(f"CREATE TEMP TABLE {name} ({declared})")
    try:
        _insert(connection, name, files, columns)
    except duckdb.Error:  # one broken file makes DuckDB refuse all
        broken = [file for file in files if not _is_whole(file, record)]
        logger.warning("Left out, since they cannot be read: %s", ", ".join(map(str, broken)))
        _insert(connection, name, [file for file in files if file not in broken], columns)


def _insert(connection: duckdb.DuckDBPyConnection, name: str, files: list[Path], columns: dict[str, str]) -> None:
    if files:  # read_json refuses an empty list
        options = "format = 'unstructured', maximum_object_size = 67108864"
        query = f"INSERT INTO {name} SELECT * FROM read_json($files, columns = $columns, {options})"
        connection.execute(query, {"files": [str(path) for path in files], "columns": columns})


def _is_whole(file: Path, record: type[Record]) -> bool:
    try:
        record.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return False
    return True
