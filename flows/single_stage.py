"""Every stage as a flow of its own, its inputs from the store: what a deployment or `ropewalk run --only` starts."""

from prefect import Flow

from flows.hooks import HOOKS
from flows.parameters import Domains, Profile, Seed, Setting, StorePath, choice_among, open_run
from flows.plan import known_inputs
from flows.stages import stages_before
from lib.settings.load import DEFAULT_PROFILE
from lib.store.manifest import Reference
from tasks.align import ALIGN
from tasks.base import BASE
from tasks.databases import DATABASES
from tasks.demonstrate import DEMONSTRATE
from tasks.dispatch import FLOW
from tasks.evaluate import EVALUATE
from tasks.extrapolate import EXTRAPOLATE
from tasks.images import IMAGES
from tasks.lineage import lineage
from tasks.prefect_task import references_of, stage_task
from tasks.reinforce import REINFORCE
from tasks.report import REPORT
from tasks.source import SOURCE
from tasks.stage import Stage
from tasks.synthesize import SYNTHESIZE
from tasks.warm_up import WARM_UP


def stage_flow(stage: Stage) -> Flow[..., dict[str, Reference]]:
    """The flow that runs one stage; raises ArtifactError where an input is not known."""
    Inputs = choice_among(stages_before(stage), f"{stage.name}_inputs")
    task = stage_task(stage)

    # Annotations are evaluated here and now, as Prefect could not find the names of this function later.
    def run_one(
        profile: Profile = DEFAULT_PROFILE,
        seed: Seed | None = None,
        domains: Domains = [],  # noqa: B006 - Prefect shows it in the form, and nobody changes it
        settings: list[Setting] = [],  # noqa: B006
        inputs: Inputs = Inputs(),  # noqa: B008 - frozen
        recompute: bool = False,
        store: StorePath = "",
    ) -> dict[str, Reference]:
        """Run one stage of the chain.

        Args:
            profile: The settings to start from.
            seed: Every other seed derives from it; empty: the profile's.
            domains: What questions are made about; none: the profile's.
            settings: Differences from the profile, SECTION.KEY=VALUE.
            inputs: What to take in place of what the settings give: `latest`, KIND/DIGEST or nothing.
            recompute: Compute it even where its artifact is known.
            store: Where artifacts are, an absolute path; empty: ROPEWALK_STORE of the worker.
        """
        again = [stage.name] if recompute else []
        run = open_run(profile, seed, domains, settings, store, again, inputs)
        stage.require_wanted(run.settings)
        known = known_inputs(stage, run)
        references = references_of({**known, stage.name: task(run, **known)})
        lineage(run, **references)
        return references

    run_one.__name__ = stage.name
    return Flow(run_one, name=FLOW, **HOOKS)


source = stage_flow(SOURCE)
databases = stage_flow(DATABASES)
images = stage_flow(IMAGES)
synthesize = stage_flow(SYNTHESIZE)
base = stage_flow(BASE)
align = stage_flow(ALIGN)
demonstrate = stage_flow(DEMONSTRATE)
warm_up = stage_flow(WARM_UP)
reinforce = stage_flow(REINFORCE)
extrapolate = stage_flow(EXTRAPOLATE)
evaluate = stage_flow(EVALUATE)
report = stage_flow(REPORT)

# By stage name; a deployment finds each as an attribute of this module.
STAGE_FLOWS: dict[str, Flow[..., dict[str, Reference]]] = {
    flow.__name__: flow
    for flow in (
        source,
        databases,
        images,
        synthesize,
        base,
        align,
        demonstrate,
        warm_up,
        reinforce,
        extrapolate,
        evaluate,
        report,
    )
}
