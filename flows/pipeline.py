"""The chain as a Prefect flow."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.plan import known_inputs
from flows.stages import find_stage
from lib.settings.load import load_settings
from lib.store.manifest import Reference
from tasks.base import base
from tasks.demonstrate import demonstrate
from tasks.evaluate import evaluate
from tasks.extrapolate import extrapolate
from tasks.prefect_task import references_of, stage_task
from tasks.reinforce import reinforce
from tasks.report import report
from tasks.run import Run
from tasks.source import source
from tasks.synthesize import synthesize
from tasks.warm_up import warm_up


# Synchronous, since stages run event loops of their own.
@flow(name="ropewalk", validate_parameters=False)
def pipeline(
    profile: str, overrides: list[str], seed: int | None, store: str, recompute: list[str]
) -> dict[str, Reference]:
    """Every stage in turn; those in `recompute` run even where their artifact is known."""
    run = Run(load_settings(profile, overrides, seed), Path(store), recompute)
    graph = source(run)
    questions = synthesize(run, source=graph)
    start = base(run, source=graph)
    shown = demonstrate(run, source=graph, synthesize=questions, base=start)
    warm = warm_up(run, base=start, demonstrate=shown)
    trained = reinforce(run, source=graph, synthesize=questions, warm_up=warm)
    ahead = extrapolate(run, source=graph, synthesize=questions, warm_up=warm, reinforce=trained)
    policies = {"base": start, "warm_up": warm, "reinforce": trained, "extrapolate": ahead}
    scores = evaluate(run, source=graph, synthesize=questions, **policies)
    page = report(run, source=graph, synthesize=questions, demonstrate=shown, evaluate=scores, **policies)
    given = {
        "source": graph,
        "synthesize": questions,
        "demonstrate": shown,
        **policies,
        "evaluate": scores,
        "report": page,
    }
    return references_of(given)


@flow(name="ropewalk-stage", validate_parameters=False)
def single_stage(
    stage: str, profile: str, overrides: list[str], seed: int | None, store: str, recompute: list[str]
) -> dict[str, Reference]:
    """One stage, its inputs from the store; raises ArtifactError where an input is not known."""
    run = Run(load_settings(profile, overrides, seed), Path(store), recompute)
    chosen = find_stage(stage)
    inputs = known_inputs(chosen, run)
    return references_of({**inputs, stage: stage_task(chosen)(run, **inputs)})
