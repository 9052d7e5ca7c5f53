"""The chain as a Prefect flow."""

from __future__ import annotations

from prefect import flow

from flows.hooks import HOOKS
from flows.parameters import Domains, Given, Profile, Seed, Setting, StageName, StorePath, open_run
from flows.stages import find_stage
from lib.settings.load import DEFAULT_PROFILE
from lib.store.manifest import Reference
from tasks.align import align
from tasks.base import base
from tasks.databases import databases
from tasks.demonstrate import demonstrate
from tasks.evaluate import evaluate
from tasks.extrapolate import extrapolate
from tasks.images import images
from tasks.lineage import lineage
from tasks.prefect_task import references_of
from tasks.reinforce import reinforce
from tasks.report import report
from tasks.source import source
from tasks.synthesize import synthesize
from tasks.warm_up import warm_up


# Synchronous, since stages run event loops of their own.
@flow(name="ropewalk", **HOOKS)
def pipeline(
    profile: Profile = DEFAULT_PROFILE,
    seed: Seed | None = None,
    domains: Domains = [],  # noqa: B006 - Prefect shows it in the form, and nobody changes it
    settings: list[Setting] = [],  # noqa: B006
    recompute: list[StageName] = [],  # noqa: B006
    given: Given = Given(),  # noqa: B008 - frozen
    store: StorePath = "",
) -> dict[str, Reference]:
    """Run the chain; stages whose artifact is known and whole come from the store.

    Args:
        profile: The settings to start from.
        seed: Every other seed derives from it; empty: the profile's.
        domains: What questions are made about; none: the profile's.
        settings: Differences from the profile, SECTION.KEY=VALUE.
        recompute: Stages to compute even where their artifact is known.
        given: What to take in place of a stage's own artifact: `latest`, `imported`, KIND/DIGEST or nothing.
        store: Where artifacts are, an absolute path; empty: ROPEWALK_STORE of the worker.
    """
    run = open_run(profile, seed, domains, settings, store, recompute, given)
    sources = {
        task.name: task(run) for task in (source, databases, images) if find_stage(task.name).is_wanted(run.settings)
    }
    pictures = {images.name: sources[images.name]} if images.name in sources else {}
    questions = synthesize(run, **sources)
    start = {"base": base(run, **sources)}
    if pictures:
        start["align"] = align(run, **pictures, **start)
    shown = demonstrate(run, **sources, synthesize=questions, **start)
    warm = warm_up(run, **pictures, **start, demonstrate=shown)
    trained = reinforce(run, **sources, synthesize=questions, warm_up=warm)
    ahead = extrapolate(run, **sources, synthesize=questions, warm_up=warm, reinforce=trained)
    policies = {**start, "warm_up": warm, "reinforce": trained, "extrapolate": ahead}
    scores = evaluate(run, **sources, synthesize=questions, **policies)
    page = report(run, **sources, synthesize=questions, demonstrate=shown, evaluate=scores, **policies)
    results = {
        **sources,
        "synthesize": questions,
        "demonstrate": shown,
        **policies,
        "evaluate": scores,
        "report": page,
    }
    references = references_of(results)
    lineage(run, **references)
    return references
