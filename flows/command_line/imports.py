"""Hand-made files into the store, by the kind of artifact that they replace."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from data_contracts.questions import SPLITS
from flows.command_line.catalogue import resolve
from flows.command_line.options import DEFAULT_STORE
from lib.errors import ArtifactError, SettingsError
from lib.settings.settings import Settings
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference
from lib.store.run_index import RunIndex
from tasks.import_files import import_episodes, import_questions
from tasks.run import Run

IMPORTS = {"questions": import_questions, "episodes": import_episodes}
NO_GRAPH = "none"


def import_files(kind: str, files: Sequence[Path], graph: str | None, store: ArtifactStore) -> dict[str, Any]:
    """Publish the files as an artifact of that kind; return what to tell about it."""
    if kind not in IMPORTS:
        raise SettingsError(
            f"Artifacts of the kind {kind!r} cannot be imported.",
            next_step=f"use one of {', '.join(IMPORTS)}; graphs and models come in as source.triples and policy.model",
        )
    imported = IMPORTS[kind](Run(Settings(), store.root), files, _find_graph(graph, store))
    reference, path = imported.reference, store.path(imported.reference)
    return {
        "kind": reference.kind,
        "digest": reference.digest,
        "path": str(path),
        "files": [str(file.absolute()) for file in files],
        "rows": _count_rows(kind, path),
        "notes": list(imported.notes),
        "next": f"ropewalk run --use {kind}={reference.short}{_elsewhere(store.root)}",
    }


def _elsewhere(root: Path) -> str:
    """The option that names the store, where commands would look in another one."""
    return "" if root.resolve() == DEFAULT_STORE.resolve() else f" --store {shlex.quote(str(root))}"


def _count_rows(kind: str, path: Path) -> dict[str, int]:
    """Rows by split where the kind has splits."""
    table = path / f"{kind}.parquet"
    if kind != "questions":
        return {kind: pq.read_metadata(table).num_rows}
    splits = Counter(pq.read_table(table, columns=["split"])["split"].to_pylist())
    return {name: splits[name] for name in SPLITS}


def _find_graph(name: str | None, store: ArtifactStore) -> Reference | None:
    """The graph that the user names, or the last one if the store has any."""
    if name == NO_GRAPH or (name is None and RunIndex(store).latest_kept("source") is None):
        return None
    reference = resolve(name or "source", store)
    if reference.kind != "graph":
        raise ArtifactError(f"{reference} is no graph.", where=str(store.path(reference)), next_step="name a graph")
    return reference
