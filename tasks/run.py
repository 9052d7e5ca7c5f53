"""What one run of the chain shares among its stages: settings, store, what to recompute, who listens."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from lib.progress import Progress, Silent
from lib.settings.settings import Settings
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference
from lib.store.run_index import RunIndex


class Outcome(StrEnum):
    """How a stage came to its artifact."""

    CACHED = "cached"
    COMPUTED = "computed"


class Listener(Protocol):
    """Hears what happens to stages: a terminal, or nobody."""

    def started(self, stage: str) -> Progress: ...

    def finished(self, stage: str, reference: Reference, outcome: Outcome) -> None: ...


class NobodyListens:
    def started(self, stage: str) -> Progress:
        return Silent()

    def finished(self, stage: str, reference: Reference, outcome: Outcome) -> None:
        return None


NOBODY = NobodyListens()

# Set by whoever starts a flow in this process; a listener is no parameter, since parameters are recorded.
listener: ContextVar[Listener] = ContextVar("listener", default=NOBODY)


class Run:
    """Not a dataclass, so that Prefect passes it on without looking inside."""

    def __init__(self, settings: Settings, store_root: Path, recompute: Iterable[str] = ()):
        self.settings = settings
        self.store = ArtifactStore(Path(store_root))
        self.index = RunIndex(self.store)
        self.recompute = frozenset(recompute)  # stages whose known artifact does not count
        self.outcomes: dict[str, Outcome] = {}

    def finish(self, stage: str, reference: Reference, outcome: Outcome) -> None:
        self.outcomes[stage] = outcome
        listener.get().finished(stage, reference, outcome)
