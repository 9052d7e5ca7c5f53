"""What the store holds, as rows for the commands that show it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from data_contracts.training import GATE
from flows.stages import STAGES
from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.lineage import ancestors, open_lineage
from lib.store.manifest import Reference
from lib.store.run_index import RunIndex

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
    """The artifact that a stage gave last, or the one with this digest or its beginning."""
    if name in {stage.name for stage in STAGES}:
        record = RunIndex(store).latest(name)
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


def describe_lineage(name: str | None, store: ArtifactStore) -> list[dict[str, Any]]:
    """An artifact and all that it was made from, or every stage run with its inputs."""
    if name is not None:
        return ancestors(store, resolve(name, store).digest)
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
    """Greedy accuracy on held-out questions by policy, with its 95 % interval, in the order of the chain."""
    with duckdb.connect() as connection:
        relation = connection.execute(
            """SELECT policy, value, low, high, n FROM read_parquet($path)
               WHERE metric = 'accuracy' AND benchmark = 'held_out' AND k = 1""",
            {"path": str(scores / "scores.parquet")},
        )
        rows = {
            row[0]: dict(zip(("policy", "value", "low", "high", "n"), row, strict=True)) for row in relation.fetchall()
        }
    return [rows[policy] for policy in POLICIES if policy in rows]


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
