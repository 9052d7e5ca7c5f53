"""What no kept run needs, and why.

In: a store, what is to be kept and what living processes hold. Out: one item an artifact or folder, each
with the reason why it stays or goes. A run is an artifact of the last stage with all that it was made
from. Nothing is removed here, and nothing is known of what stages do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from lib.store.artifact_store import ArtifactStore
from lib.store.holds import Held
from lib.store.kept import UNFINISHED_STAYS, Item, Keep, Sort, Sweep, tell_span
from lib.store.leftovers import judge_folders
from lib.store.manifest import IMPORT, Provenance, Reference
from lib.store.run_index import RunIndex

NAMED, BY_HAND = "named to be kept", "imported by hand"
REPORTS_NAMED = 2  # a reason names so many runs and counts the others


def plan_sweep(store: ArtifactStore, keep: Keep, held: Sequence[Held], *, last_stage: str) -> Sweep:
    """Decide on every artifact and on every folder that work has left."""
    now = datetime.now(UTC)
    items = [*_artifacts(store, keep, held, last_stage, now), *judge_folders(store, keep, now)]
    return Sweep([item for goes, item in items if goes], [item for goes, item in items if not goes])


class _Graph:
    """Artifacts, what each was made from over all stage runs that gave it, and when it was last made."""

    def __init__(self, store: ArtifactStore):
        self.manifests = {manifest.reference: manifest for manifest in store.list()}
        self.inputs: dict[Reference, set[Reference]] = {reference: set() for reference in self.manifests}
        self.made_at = {reference: item.provenance.finished_at for reference, item in self.manifests.items()}
        self.stages: dict[Reference, set[str]] = {reference: set() for reference in self.manifests}
        for reference, manifest in self.manifests.items():
            self._add(reference, manifest.provenance)
        for record in RunIndex(store).list():
            if record.artifact in self.manifests:
                self._add(record.artifact, record.provenance)

    def _add(self, reference: Reference, provenance: Provenance) -> None:
        self.inputs[reference] |= set(provenance.inputs.values())
        self.stages[reference].add(provenance.stage)
        self.made_at[reference] = max(self.made_at[reference], provenance.finished_at)

    def of_stage(self, stage: str) -> list[Reference]:
        """Artifacts that a stage has given, the latest first."""
        found = [reference for reference, stages in self.stages.items() if stage in stages]
        return sorted(found, key=lambda reference: self.made_at[reference], reverse=True)

    def downwards(self) -> list[Reference]:
        """Each before its inputs, whatever the clocks said; among equals the latest first."""
        rank = {
            reference: (len(self.with_ancestors(reference)), self.made_at[reference]) for reference in self.manifests
        }
        return sorted(rank, key=lambda reference: rank[reference], reverse=True)

    def with_ancestors(self, root: Reference) -> set[Reference]:
        reached: set[Reference] = set()
        waiting = [root]
        while waiting:
            reference = waiting.pop()
            if reference not in reached and reference in self.manifests:
                reached.add(reference)
                waiting += self.inputs[reference]
        return reached


def _artifacts(
    store: ArtifactStore, keep: Keep, held: Sequence[Held], last_stage: str, now: datetime
) -> Iterator[tuple[bool, Item]]:
    graph = _Graph(store)
    runs = graph.of_stage(last_stage)
    needed_by: dict[Reference, list[Reference]] = {}
    for run in runs:
        for reference in graph.with_ancestors(run):
            needed_by.setdefault(reference, []).append(run)
    kept: dict[Reference, str] = {}
    for root, reason in _roots(graph, runs, needed_by, keep, held, now):
        for reference in graph.with_ancestors(root):
            kept.setdefault(reference, reason if reference == root else _of_ancestor(reason))
    for reference in graph.downwards():
        manifest = graph.manifests[reference]
        goes = reference not in kept
        reason = _why_it_goes(reference, needed_by, graph, now) if goes else kept[reference]
        made_at, stage = graph.made_at[reference], manifest.provenance.stage
        yield goes, Item(Sort.ARTIFACT, store.path(reference), manifest.size, made_at, reason, stage, reference)


def _roots(
    graph: _Graph,
    runs: Sequence[Reference],
    needed_by: dict[Reference, list[Reference]],
    keep: Keep,
    held: Sequence[Held],
    now: datetime,
) -> Iterator[tuple[Reference, str]]:
    """Artifacts that stay by themselves, each with the reason; the strongest reasons first."""
    for item in held:
        yield from ((reference, f"in use by {item.holder or 'a running process'}") for reference in item.references)
    yield from ((reference, NAMED) for reference in keep.references)
    yield from ((run, f"part of the run {run}") for run in runs[: keep.num_runs])
    for reference, made_at in graph.made_at.items():
        if keep.newer_than is not None and now - made_at < keep.newer_than:
            yield reference, f"made within the last {tell_span(keep.newer_than)}, or needed by what was"
        elif keep.newer_than is None and reference not in needed_by and now - made_at < UNFINISHED_STAYS:
            yield reference, f"part of a run that has not finished, of the last {tell_span(UNFINISHED_STAYS)}"
        if keep.imports and IMPORT in graph.stages[reference]:
            yield reference, BY_HAND


def _of_ancestor(reason: str) -> str:
    """Reasons that are told of a run or an age hold for its ancestors as they are."""
    if reason.startswith("in use"):
        return f"needed by what is {reason}"
    return {NAMED: f"needed by what is {NAMED}", BY_HAND: f"needed by what was {BY_HAND}"}.get(reason, reason)


def _why_it_goes(reference: Reference, needed_by: dict, graph: _Graph, now: datetime) -> str:
    runs = needed_by.get(reference, [])
    if reference in runs:
        return f"a run of {graph.made_at[reference].astimezone():%Y-%m-%d %H:%M} that is not kept"
    if not runs:
        return f"needed by no finished run, made {tell_span(now - graph.made_at[reference])} ago"
    named = ", ".join(map(str, runs[:REPORTS_NAMED]))
    rest = f" and {len(runs) - REPORTS_NAMED} more" if len(runs) > REPORTS_NAMED else ""
    return f"needed only by {named}{rest}, not kept"
