"""Which artifact a fingerprint gave: one small JSON file a stage run.

The manifests hold the same for the first run that made each artifact, so that the index can be
rebuilt from them.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.atomic_write import write_atomically
from lib.store.full_disk import lost_disk_explained
from lib.store.manifest import Reference, RunRecord

LAST = "last"  # beside a stage's records: the fingerprint of the run that was given last


class RunIndex:
    """The records below `runs/<stage>/<fingerprint>.json`."""

    def __init__(self, store: ArtifactStore):
        self._store = store
        self._runs = store.root / "runs"

    def record(self, record: RunRecord) -> None:
        path = self._path(record.provenance.stage, record.provenance.fingerprint)
        with lost_disk_explained(path, kept=f"the artifact {record.artifact}"):
            write_atomically(path, record.model_dump_json(indent=1))

    def find(self, stage: str, fingerprint: str) -> RunRecord | None:
        """The run with this fingerprint; a lost record is restored from the manifests."""
        path = self._path(stage, fingerprint)
        if (record := _read(path)) is not None:
            return record
        for manifest in self._store.list():
            if (manifest.provenance.stage, manifest.provenance.fingerprint) == (stage, fingerprint):
                record = RunRecord(artifact=manifest.reference, provenance=manifest.provenance)
                with suppress(OSError, ArtifactError):  # best effort: a store that cannot be written still answers
                    self.record(record)
                return record
        return None

    def set_last(self, stage: str, fingerprint: str) -> None:
        """From now on this run counts as the stage's last, whether it was computed now or known from before."""
        path = self._runs / stage / LAST
        with suppress(OSError):  # a store that cannot be written still answers
            if not path.is_file() or path.read_text() != fingerprint:
                write_atomically(path, fingerprint)

    def latest(self, stage: str) -> RunRecord | None:
        """The stage's run that was given last; where that is not known, the one that finished last."""
        return self._given_last(stage) or _last(self.list(stage))

    def latest_kept(self, stage: str, kind: str | None = None) -> RunRecord | None:
        """The same, of the runs whose artifact is still in the store, and of that kind."""

        def is_kept(record: RunRecord) -> bool:
            return kind in (None, record.artifact.kind) and self._store.path(record.artifact).exists()

        given = self._given_last(stage)
        return given if given and is_kept(given) else _last([item for item in self.list(stage) if is_kept(item)])

    def _given_last(self, stage: str) -> RunRecord | None:
        with suppress(OSError):
            return _read(self._path(stage, (self._runs / stage / LAST).read_text()))
        return None

    def list(self, stage: str = "*") -> list[RunRecord]:
        records = [_read(path) for path in sorted(self._runs.glob(f"{stage}/*.json"))]
        return [record for record in records if record is not None]

    def forget(self, artifacts: Collection[Reference]) -> None:
        """Remove the records of these artifacts; without them a stage would only find that its artifact is gone."""
        for path in self._runs.glob("*/*.json"):
            record = _read(path)
            if record is not None and record.artifact in artifacts:
                path.unlink(missing_ok=True)

    def _path(self, stage: str, fingerprint: str) -> Path:
        return self._runs / stage / f"{fingerprint}.json"


def _last(records: list[RunRecord]) -> RunRecord | None:
    return max(records, key=lambda record: record.provenance.finished_at, default=None)


def _read(path: Path) -> RunRecord | None:
    """A record that cannot be read counts as absent: the stage runs again."""
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
