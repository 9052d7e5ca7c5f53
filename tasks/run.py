"""What one run of the chain shares among its stages: settings, store, what to recompute, who listens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from lib.progress import Progress, Silent
from lib.settings.settings import Settings
from lib.store.artifact_store import ArtifactStore
from lib.store.holds import Holds
from lib.store.manifest import Reference
from lib.store.run_index import RunIndex


class Outcome(StrEnum):
    """How a stage came to its artifact."""

    CACHED = "cached"
    COMPUTED = "computed"
    GIVEN = "given"  # it was named by whoever started the run


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


PARENT = "parent:"


def parent_tag(flow_run: object) -> str:
    """The tag of flow runs that a flow run, given by its id, has dispatched."""
    return f"{PARENT}{flow_run}"


def parent_of(tags: Iterable[str]) -> str | None:
    """The flow run that has dispatched the one with these tags."""
    return next((tag.removeprefix(PARENT) for tag in tags if tag.startswith(PARENT)), None)


class Run:
    """Not a dataclass, so that Prefect passes it on without looking inside."""

    def __init__(
        self,
        settings: Settings,
        store_root: Path,
        recompute: Iterable[str] = (),
        *,
        flow_run: str = "",
        given: Mapping[str, Reference] | None = None,
        name: str = "",
        asked: Mapping[str, Any] | None = None,
    ):
        self.settings = settings
        self.name = name  # by which others are told that they wait for this run
        self.asked = dict(asked or {})  # parameters with which a flow run elsewhere gets the same settings and store
        self.store = ArtifactStore(Path(store_root))
        self.index = RunIndex(self.store)
        self.holds = Holds(self.store.root, name)
        self.recompute = frozenset(recompute)  # stages whose known artifact does not count
        self.flow_run = flow_run  # its id, the same at every attempt; of a dispatched one that of whoever dispatched it
        self.given = dict(given or {})  # artifacts that stand in for those of stages, by stage name
        self.outcomes: dict[str, Outcome] = {}
        self.inputs: dict[str, dict[str, Reference]] = {}  # what stages were given, by the name of each
        self.cards: dict[str, str] = {}  # where Prefect's pages show the cards of stages
        self.short_of_memory: set[str] = set()  # stages that ran out of it in this run

    def must_recompute(self, stage: str, fingerprint: str) -> bool:
        """Whether an artifact that is known by this fingerprint does not count."""
        if stage not in self.recompute:
            return False
        # What an earlier attempt at this run has computed counts.
        record = self.index.find(stage, fingerprint) if self.flow_run else None
        return record is None or record.provenance.run != self.flow_run

    def finish(self, stage: str, reference: Reference, outcome: Outcome) -> None:
        self.outcomes[stage] = outcome
        listener.get().finished(stage, reference, outcome)
