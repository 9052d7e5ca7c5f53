"""A stage as a Prefect task: cached ones show as Cached, each leaves a card, passing failures are tried again."""

from __future__ import annotations

from typing import Any

from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from lib.store.manifest import Reference
from lib.store.origin import describe_origin
from tasks.card_text import duration
from tasks.dispatch import run_elsewhere
from tasks.open_lineage import told_to_catalogue
from tasks.progress_artifact import progress_published
from tasks.publish import publish_stage
from tasks.retries import JITTER, PAUSES, RETRIES, may_go_away
from tasks.run import Outcome, Run
from tasks.stage import Stage, run_stage


def stage_task(stage: Stage) -> Task[..., Reference]:
    """The task that gives the stage's artifact; call it with the run and its inputs by stage name.

    The store answers for known fingerprints, after verifying what it has. Prefect's own result
    cache stays off: it would be a second record of the same thing, and one that does not see damage.
    """

    def run_as_task(run: Run, **inputs: Reference) -> Any:
        run.inputs[stage.name] = inputs
        if (reference := run_elsewhere(stage, run, inputs)) is not None:
            outcome = Outcome.COMPUTED
        else:
            with told_to_catalogue(stage, run, inputs) as told, progress_published():
                reference, outcome = run_stage(stage, run, inputs)
                told.gave(reference, outcome)
        publish_stage(stage, run, inputs, reference, outcome)
        if outcome is Outcome.GIVEN:
            origin = describe_origin(run.store, reference)
            return Completed(name="Given", message=f"{reference} was {origin}", data=reference)
        if outcome is Outcome.CACHED:
            return Completed(name="Cached", message=_why_known(run, reference), data=reference)
        # The record's cost: an artifact that came out the same again is older than this run.
        record = run.index.latest(stage.name)
        made = record if record and record.artifact == reference else run.store.manifest(reference)
        return Completed(
            message=f"{reference} was computed in {duration(made.provenance.cost.seconds)}", data=reference
        )

    return Task(
        run_as_task,
        name=stage.name,
        description=stage.module,
        retries=RETRIES,
        retry_delay_seconds=PAUSES,
        retry_jitter_factor=JITTER,
        retry_condition_fn=may_go_away,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def references_of(results: dict[str, Any]) -> dict[str, Reference]:
    """What stage tasks gave: Prefect hands their state to the flow, and its data to the next task."""
    return {name: item.result(_sync=True) if isinstance(item, State) else item for name, item in results.items()}


def _why_known(run: Run, reference: Reference) -> str:
    since = run.store.manifest(reference).provenance.finished_at.astimezone()
    return (
        f"{reference} is known since {since:%Y-%m-%d %H:%M}: same settings, inputs, seed and code; every file is whole"
    )
