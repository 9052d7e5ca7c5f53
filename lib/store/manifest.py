"""What is written beside an artifact: what it is, what it consists of and where it comes from.

The manifest is written last; its presence means that the artifact is whole.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

MANIFEST = "manifest.json"
IMPORT = "import"  # in the place of a stage's name, for what was brought in by hand
FORMAT = 1  # raised when the layout of artifacts, manifests or fingerprints changes


class Record(BaseModel):
    """Frozen, and written as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reference(Record):
    """The name of an artifact: what crosses from one task to the next."""

    kind: str
    digest: str

    @property
    def short(self) -> str:
        return self.digest[:12]

    def __str__(self) -> str:
        return f"{self.kind}/{self.short}"

    @property
    def full(self) -> str:
        return f"{self.kind}/{self.digest}"


class FileEntry(Record):
    """One file of an artifact."""

    path: str  # relative, with forward slashes
    size: int  # bytes
    sha256: str  # of its bytes; this is what verification compares
    content: str  # what the artifact's digest is made from; differs from sha256 for databases and measured tables


class Cost(Record):
    """What a stage run took."""

    seconds: float
    peak_memory_mb: float
    tokens: int = 0  # trained, or decoded and read, whichever the stage does


class Provenance(Record):
    """The stage run that made an artifact."""

    stage: str
    fingerprint: str
    components: dict[str, Any]  # of the fingerprint: settings, inputs, seed, code, libraries, ...
    inputs: dict[str, Reference]  # by stage name
    origins: dict[str, str] = {}  # where the user's files lay, by settings key; their digests are components
    notes: tuple[str, ...] = ()  # what was out of the ordinary, in words
    run: str = ""  # the flow run that wanted it, by its id
    cost: Cost
    started_at: datetime
    finished_at: datetime


class Manifest(Record):
    """All that is known of an artifact."""

    format: int = FORMAT
    kind: str
    contracts: str  # versions of the kind's tables
    digest: str
    rows: dict[str, int]  # by table
    size: int  # bytes of all files
    files: tuple[FileEntry, ...]
    provenance: Provenance

    @property
    def reference(self) -> Reference:
        return Reference(kind=self.kind, digest=self.digest)


class RunRecord(Record):
    """That a stage run with this fingerprint gave this artifact.

    Two fingerprints can give the same artifact, for instance after a change of code that changes
    no result; the manifest names the first, and each has its record.
    """

    artifact: Reference
    provenance: Provenance
