"""Where an artifact comes from, in a few words: a stage, or a file that somebody brought in."""

from __future__ import annotations

from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import IMPORT, Provenance, Reference, RunRecord
from lib.store.run_index import RunIndex


def find_import(store: ArtifactStore, reference: Reference) -> RunRecord | None:
    """The last import that gave this artifact, even where a stage gave the same before."""
    records = [record for record in RunIndex(store).list(IMPORT) if record.artifact == reference]
    return max(records, key=lambda record: record.provenance.finished_at, default=None)


def describe_origin(store: ArtifactStore, reference: Reference) -> str:
    """For instance "imported by hand from /home/a/curated.csv on 2026-01-31 12:00"."""
    record = find_import(store, reference)
    provenance = record.provenance if record else store.manifest(reference).provenance
    return describe_provenance(provenance)


def describe_provenance(provenance: Provenance) -> str:
    when = f"{provenance.finished_at.astimezone():%Y-%m-%d %H:%M}"
    return tell_origin(provenance.stage, "; ".join(provenance.origins.values()), when)


def tell_origin(stage: str, files: str, when: str) -> str:
    if stage == IMPORT:
        return f"imported by hand from {files} on {when}"
    return f"made by {stage}{f' from {files}' if files else ''} on {when}"
