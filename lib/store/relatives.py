"""What an artifact was made from, and what was made of it.

In: a store and a digest. Out: rows, the artifact first and then its relatives by distance, each with its
direct inputs, so that a tree can be drawn from them.
"""

from __future__ import annotations

import duckdb

from lib.store.artifact_store import ArtifactStore
from lib.store.lineage import open_lineage

COLUMNS = ("kind", "digest", "stage", "depth", "inputs", "rows", "origin", "finished_at")
QUERY = """WITH RECURSIVE reached(digest, depth) AS (
         SELECT $digest, 0
         UNION SELECT inputs.{there}, depth + 1 FROM inputs JOIN reached ON inputs.{here} = reached.digest),
     nearest AS (SELECT digest, min(depth) AS depth FROM reached GROUP BY digest),
     direct AS (SELECT digest, list(DISTINCT {{'stage': input_stage, 'digest': input_digest}}
                                    ORDER BY {{'stage': input_stage, 'digest': input_digest}}) AS inputs
                FROM inputs GROUP BY digest)
     SELECT kind, digest, stage, depth, inputs, rows, origin, strftime(finished_at, '%Y-%m-%d %H:%M:%S')
     FROM nearest JOIN artifacts USING (digest) LEFT JOIN direct USING (digest)
     ORDER BY depth, kind, digest"""


UP, DOWN = QUERY.format(here="digest", there="input_digest"), QUERY.format(here="input_digest", there="digest")


def ancestors(store: ArtifactStore, digest: str) -> list[dict]:
    """The artifact and all it was made from."""
    with open_lineage(store) as connection:
        return _ask(connection, digest, UP)


def descendants(store: ArtifactStore, digest: str) -> list[dict]:
    """The artifact and all that was made of it."""
    with open_lineage(store) as connection:
        return _ask(connection, digest, DOWN)


def both_ways(store: ArtifactStore, digest: str) -> tuple[list[dict], list[dict]]:
    """Ancestors and descendants out of one reading of the store."""
    with open_lineage(store) as connection:
        return _ask(connection, digest, UP), _ask(connection, digest, DOWN)


def _ask(connection: duckdb.DuckDBPyConnection, digest: str, query: str) -> list[dict]:
    rows = connection.execute(query, {"digest": digest}).fetchall()
    return [{**dict(zip(COLUMNS, row, strict=True)), "inputs": row[4] or []} for row in rows]
