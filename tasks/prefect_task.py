"""A stage as a Prefect task: cached ones show as Cached, computed ones leave a card."""

from __future__ import annotations

import errno
from typing import Any

from prefect import Task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Completed

from lib.store.manifest import Manifest, Reference
from tasks.run import Outcome, Run
from tasks.stage import Stage, run_stage


def stage_task(stage: Stage) -> Task[..., Reference]:
    """The task that gives the stage's artifact; call it with the run and its inputs by stage name.

    The store answers for known fingerprints, after verifying what it has. Prefect's own result
    cache stays off: it would be a second record of the same thing, and one that does not see damage.
    """

    def run_as_task(run: Run, **inputs: Reference) -> Any:
        reference, outcome = run_stage(stage, run, inputs)
        if outcome is Outcome.CACHED:
            return Completed(name="Cached", message=f"{reference} is known and verified", data=reference)
        manifest = run.store.manifest(reference)
        create_markdown_artifact(_card(manifest), key=stage.name.replace("_", "-"), description=str(reference))
        return reference

    return Task(
        run_as_task,
        name=stage.name,
        description=stage.module,
        retries=stage.retries,
        retry_delay_seconds=1,
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def references_of(results: dict[str, Any]) -> dict[str, Reference]:
    """What stage tasks gave: Prefect hands a cached one's state to the flow, and its data to the next task."""
    return {name: item.result(_sync=True) if isinstance(item, State) else item for name, item in results.items()}


def _is_transient(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Only what may go away by itself: a file or network failure that is no full disk."""
    error = state.result(raise_on_failure=False, _sync=True)
    return isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.EACCES)


def _card(manifest: Manifest) -> str:
    cost, rows = manifest.provenance.cost, manifest.rows
    lines = [
        f"# {manifest.provenance.stage}",
        "",
        "| | |",
        "|---|---|",
        f"| artifact | `{manifest.kind}/{manifest.digest}` |",
        f"| fingerprint | `{manifest.provenance.fingerprint}` |",
        f"| bytes | {manifest.size:,} |",
        f"| seconds | {cost.seconds:,.1f} |",
        f"| peak memory | {cost.peak_memory_mb:,.0f} MB |",
        f"| tokens | {cost.tokens:,} |",
        *(f"| rows of {name} | {count:,} |" for name, count in rows.items()),
        *(f"| made from {name} | `{item}` |" for name, item in manifest.provenance.inputs.items()),
    ]
    return "\n".join(lines)
