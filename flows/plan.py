"""What a run would do: which stages the store answers, which run, and what changed for those.

In: a run that has not started. Out: one step a stage. Nothing is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from flows.stages import STAGES
from lib.errors import ArtifactError
from lib.store.manifest import Reference
from lib.store.origin import describe_origin
from tasks.run import Run
from tasks.stage import Stage

SHOWN_CHANGES = 6  # a step shows so many changes in full and counts the others
UNKNOWN = "unknown until it has run"


class Action(StrEnum):
    """What a run would do with a stage."""

    CACHED = "cached"
    GIVEN = "given"  # an artifact that the user names stands in for its own
    RUN = "run"
    DEPENDS = "depends"  # runs unless its recomputed inputs come out as they were

    @property
    def may_run(self) -> bool:
        return self in (Action.RUN, Action.DEPENDS)


@dataclass(frozen=True)
class Step:
    """One stage of a plan."""

    stage: str
    action: Action
    reasons: tuple[str, ...] = field(default=())
    reference: Reference | None = None

    def as_row(self) -> dict[str, Any]:
        """For printing as JSON."""
        digest = self.reference.digest if self.reference else None
        return {"stage": self.stage, "action": self.action, "reasons": self.reasons, "artifact": digest}


def make_plan(run: Run, stages: Sequence[Stage] = STAGES) -> list[Step]:
    """One step a stage that the run has, in their order; artifacts found damaged count as unknown but stay in place."""
    steps: dict[str, Step] = {}
    for stage in stages:
        if stage.is_wanted(run.settings):
            steps[stage.name] = _plan_stage(stage, run, steps)
    return list(steps.values())


def known_inputs(stage: Stage, run: Run, stages: Sequence[Stage] = STAGES) -> dict[str, Reference]:
    """References of a stage's inputs; raises ArtifactError where the store does not have one."""
    inputs = stage.inputs_under(run.settings)
    if all(item.name in run.given for item in inputs):
        return {item.name: run.given[item.name] for item in inputs}
    before = stages[: list(stages).index(stage)]
    forceless = Run(run.settings, run.store.root, given=run.given)
    steps = {step.stage: step for step in make_plan(forceless, before)}
    missing = [item.name for item in inputs if steps[item.name].reference is None]
    if missing:
        raise ArtifactError(
            f"{stage.name} needs {', '.join(missing)}, which the store does not have for these settings.",
            where=str(run.store.root),
            kept="all published artifacts",
            next_step=f"run `ropewalk run --from {missing[0]}`, or `ropewalk plan` to see what changed",
        )
    return {item.name: steps[item.name].reference for item in inputs}


def _plan_stage(stage: Stage, run: Run, before: dict[str, Step]) -> Step:
    if (given := run.given.get(stage.name)) is not None:
        return Step(stage.name, Action.GIVEN, (describe_origin(run.store, given),), given)
    inputs = [item.name for item in stage.inputs_under(run.settings)]
    waiting = [name for name in inputs if before[name].action.may_run]
    known = {name: before[name].reference for name in inputs if name not in waiting}
    digests = {name: reference.digest for name, reference in known.items()}
    fingerprint = stage.fingerprint(run, {**digests, **dict.fromkeys(waiting, UNKNOWN)})
    forced = ("asked for",) if stage.name in run.recompute else ()
    if waiting:
        upstream = tuple(f"input {name} will run" for name in waiting)
        changes = _changes(stage, run, fingerprint)
        certain = forced or changes
        return Step(stage.name, Action.RUN if certain else Action.DEPENDS, (*forced, *upstream, *changes))
    record = run.index.find(stage.name, fingerprint.digest)
    if record is None:
        return Step(stage.name, Action.RUN, (*forced, *_changes(stage, run, fingerprint)))
    if not run.store.path(record.artifact).exists():
        return Step(stage.name, Action.RUN, (*forced, f"{record.artifact} was removed from the store"))
    try:
        run.store.verify(record.artifact)
    except ArtifactError as error:
        return Step(stage.name, Action.RUN, (*forced, error.what))
    if forced:
        return Step(stage.name, Action.RUN, forced)
    return Step(stage.name, Action.CACHED, reference=record.artifact)


def _changes(stage: Stage, run: Run, fingerprint) -> tuple[str, ...]:
    """What differs from the stage's last run; inputs that are not known yet are left out."""
    last = run.index.latest(stage.name)
    if last is None:
        return ("has never run",)
    changes = [
        change
        for change in fingerprint.changes_since(last.provenance.components)
        if not (change.component == "inputs" and change.after == UNKNOWN)
    ]
    shown = tuple(str(change) for change in changes[:SHOWN_CHANGES])
    rest = len(changes) - len(shown)
    return (*shown, f"and {rest} more changes") if rest else shown
