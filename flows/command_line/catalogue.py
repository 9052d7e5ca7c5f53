"""What the store holds, as rows for the commands that show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from data_contracts.scores import HELD_OUT
from data_contracts.training import GATE
from flows.stages import STAGES
from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.lineage import TABLES, open_lineage, write_lineage
from lib.store.manifest import IMPORT, Reference
from lib.store.relatives import both_ways
from lib.store.run_index import RunIndex

ACCURACY = ("policy", "value", "low", "high", "n")
ROWS_SHOWN = 3
CELL_CHARACTERS = 300

# Stages whose policies the closing table names, and what it calls them.
POLICIES = {
    "base": "base",
    "warm_up": "warmed up",
    "reinforce": "reinforced",
    "extrapolate": "extrapolated",
}


def list_artifacts(store: ArtifactStore) -> list[dict[str, Any]]:
    """One entry an artifact, oldest first."""
    return [
        {
            "kind": manifest.kind,
            "digest": manifest.digest,
            "stage": manifest.provenance.stage,
            "rows": manifest.rows,
            "bytes": manifest.size,
            "seconds": manifest.provenance.cost.seconds,
            "finished_at": manifest.provenance.finished_at.isoformat(timespec="seconds"),
            "path": str(store.path(manifest.reference)),
        }
        for manifest in store.list()
    ]


def resolve(name: str, store: ArtifactStore) -> Reference:
    """The artifact that a stage or an import gave last, or the one with this digest or its beginning."""
    if name in {IMPORT, *(stage.name for stage in STAGES)}:
        record = RunIndex(store).latest_kept(name)
        if record is None:
            raise ArtifactError(f"{name} has not run.", where=str(store.root), next_step="run `ropewalk run`")
        return record.artifact
    return store.find(name)


def describe_artifact(name: str, store: ArtifactStore) -> dict[str, Any]:
    """The verified manifest, the path and the first rows of every table."""
    reference = resolve(name, store)
    manifest = store.verify(reference)
    path = store.path(reference)
    tables = {table: _first_rows(path / f"{table}.parquet") for table in manifest.rows}
    return {"path": str(path), "manifest": manifest.model_dump(mode="json"), "first_rows": tables}


def describe_relatives(name: str, store: ArtifactStore, *, up: bool, down: bool) -> list[dict[str, Any]]:
    """An artifact, all that it was made from and all that was made of it, each with its direction and distance."""
    above, below = both_ways(store, resolve(name, store).digest)
    rows = [row | {"direction": "self"} for row in above[:1]]
    rows += [row | {"direction": "up"} for row in above[1:] if up]
    return rows + [row | {"direction": "down"} for row in below[1:] if down]


def save_lineage(store: ArtifactStore, path: Path) -> dict[str, Any]:
    """Write the tables to a DuckDB file; return its path and how many rows each has."""
    write_lineage(store, path)
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}
    return {"database": str(path.absolute()), "rows": rows}


def describe_runs(store: ArtifactStore) -> list[dict[str, Any]]:
    """Every stage run with its inputs and its cost."""
    with open_lineage(store) as connection:
        relation = connection.sql(
            """SELECT stage_runs.stage, kind, digest, strftime(finished_at, '%Y-%m-%d %H:%M:%S') AS finished_at,
                      seconds, peak_memory_mb, tokens,
                      coalesce((SELECT list({'stage': input_stage, 'digest': input_digest} ORDER BY input_stage)
                                FROM inputs WHERE inputs.fingerprint = stage_runs.fingerprint), []) AS inputs
               FROM stage_runs JOIN costs USING (stage, fingerprint) ORDER BY stage_runs.finished_at"""
        )
        return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def read_accuracies(scores: Path) -> list[dict[str, Any]]:
    """Greedy accuracy by question set and policy, with its 95 % interval: held-out questions before benchmarks,
    policies in the order of the chain.
    """
    with duckdb.connect() as connection:
        relation = connection.execute(
            """SELECT benchmark, policy, value, low, high, n FROM read_parquet($path)
               WHERE metric = 'accuracy' AND k = 1 ORDER BY benchmark""",
            {"path": str(scores / "scores.parquet")},
        )
        rows = [dict(zip(("benchmark", *ACCURACY), row, strict=True)) for row in relation.fetchall()]
    order = list(POLICIES)
    return sorted(
        rows, key=lambda row: (not row["benchmark"].startswith(HELD_OUT), row["benchmark"], order.index(row["policy"]))
    )


def read_extrapolation(artifact: Path) -> str:
    """What the gate says of the extrapolated checkpoint, in a few sentences."""
    return json.loads((artifact / GATE).read_text())["note"]


def _first_rows(path: Path) -> list[dict[str, str]]:
    with duckdb.connect() as connection:
        relation = connection.execute(
            "SELECT * FROM read_parquet($path) LIMIT $n", {"path": str(path), "n": ROWS_SHOWN}
        )
        names = [column[0] for column in relation.description]
        rows = relation.fetchall()
    return [dict(zip(names, (_shorten(value) for value in row), strict=True)) for row in rows]


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + "..."
