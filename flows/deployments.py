"""The whole pipeline and every stage as deployments: one table, from which a server and `prefect.yaml` are filled.

A deployment names its flow by module, so that every machine whose worker takes it has Ropewalk installed and no code
travels. What belongs to one machine (the store's path, a folder to run in) is no part of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.utilities.callables import parameter_schema

from flows import pipeline as pipeline_module
from flows import single_stage as single_stage_module
from flows.single_stage import STAGE_FLOWS
from flows.stages import STAGES
from tasks.dispatch import GPU_POOL

CPU_POOL = "cpu"
TIMEZONE = "UTC"
# How any machine's worker starts a flow run; flows/operating/worker.py says why a command is named at all.
FLEET_JOB_VARIABLES = {"command": "python -m prefect.engine"}
WAIT = ConcurrencyLimitStrategy.ENQUEUE  # what a run does that finds the limit reached

YAML_HEAD = """\
# The pipeline and every stage as deployments, for `prefect deploy --all`; docs/operating.md says how a fleet runs them,
# and what `ropewalk register` makes stricter.
# Written by `ropewalk deployments --yaml > prefect.yaml` from flows/deployments.py, where changes belong.
"""

ABOUT = {
    "source": "Builds the knowledge graph and the pages that tell it, from the shipped atlas or your files.",
    "databases": "Reads SQL databases, and questions that people wrote about them; ships eight of its own.",
    "images": "Reads images and what is known of them, and composes scenes; ships four collections of its own.",
    "synthesize": "Writes questions over the sources, filters them, and splits them for training and evaluation.",
    "base": "Prepares the policy that everything starts from, as a folder that transformers loads.",
    "align": "Gives a language model a vision encoder that learns the words for the source's images.",
    "demonstrate": "Lets the oracle, or a teacher behind an endpoint, answer training questions.",
    "warm_up": "Trains the base policy on the demonstrations (SFT).",
    "reinforce": "Trains the warmed-up policy by multi-turn reinforcement learning with tools (GRPO).",
    "extrapolate": "Looks ahead of training by extrapolating the row of checkpoints (RELEX).",
    "evaluate": "Scores every policy on held-out questions, with intervals.",
    "report": "Writes the HTML page and the database of the whole run.",
}


@dataclass(frozen=True)
class Deployment:
    """One row of the table."""

    name: str
    flow: Flow[..., Any]
    module: str  # in which the flow is an attribute
    pool: str
    description: str
    tags: tuple[str, ...]
    cron: str | None = None  # declared, and off until somebody turns it on
    limit: int | None = None  # runs at once; more wait for their turn

    @property
    def full_name(self) -> str:
        return f"{self.flow.name}/{self.name}"

    @property
    def entrypoint(self) -> str:
        return f"{self.module}.{self.flow.__name__}"


DEPLOYMENTS = (
    Deployment(
        name="pipeline",
        flow=pipeline_module.pipeline,
        module=pipeline_module.__name__,
        pool=CPU_POOL,
        description="The whole chain, from the source to the report. Stages whose artifact is known come from the "
        "store, so a scheduled run costs next to nothing where nothing has changed.",
        tags=("ropewalk", "pipeline"),
        cron="0 3 * * *",
        limit=1,
    ),
    *(
        Deployment(
            name=stage.name,
            flow=STAGE_FLOWS[stage.name],
            module=single_stage_module.__name__,
            pool=GPU_POOL if stage.heavy else CPU_POOL,
            description=ABOUT[stage.name],
            tags=("ropewalk", "stage", *(("heavy",) if stage.heavy else ())),
        )
        for stage in STAGES
    ),
)


def register(
    client: SyncPrefectClient,
    deployment: Deployment,
    *,
    parameters: dict[str, Any],
    job_variables: dict[str, Any],
    cron: str | None = None,
) -> None:
    """Declare it on the server, or bring what is there up to date.

    A schedule that is there already stays as somebody has left it, unless `cron` names another, which is then on.
    """
    declared = {
        "description": deployment.description,
        "tags": list(deployment.tags),
        "parameters": parameters,
        "entrypoint": deployment.entrypoint,
        "work_pool_name": deployment.pool,
        "job_variables": job_variables,
        "concurrency_limit": deployment.limit,
        "concurrency_options": ConcurrencyOptions(collision_strategy=WAIT) if deployment.limit else None,
        "parameter_openapi_schema": form_of(deployment),
        "enforce_parameter_schema": True,
    }
    asked = _schedule(deployment, cron, is_active=True) if cron else None
    try:
        known = client.read_deployment_by_name(deployment.full_name)
    except ObjectNotFound:
        schedule = asked or (_schedule(deployment, deployment.cron, is_active=False) if deployment.cron else None)
        schedules = [DeploymentScheduleCreate(**schedule)] if schedule else []
        flow_id = client.create_flow_from_name(deployment.flow.name)
        client.create_deployment(flow_id, deployment.name, schedules=schedules, **declared)
    else:
        # Without schedules: a list, even an empty one, may take the place of those that somebody has added.
        client.update_deployment(known.id, DeploymentUpdate(**declared))
        if asked:
            _set_schedule(client, known, asked)


def _set_schedule(client: SyncPrefectClient, known: DeploymentResponse, asked: dict[str, Any]) -> None:
    for schedule in known.schedules:
        if schedule.slug == asked["slug"]:
            client.update_deployment_schedule(known.id, schedule.id, active=asked["active"], schedule=asked["schedule"])
            return
    client.create_deployment_schedules(known.id, [DeploymentScheduleCreate(**asked)])


def form_of(deployment: Deployment) -> dict[str, Any]:
    """The schema by which the server checks parameters; it refuses those that the flow does not have."""
    return parameter_schema(deployment.flow).model_dump_for_openapi() | {"additionalProperties": False}


def as_declared(deployment: Deployment) -> dict[str, Any]:
    """An entry of `prefect.yaml`."""
    declared: dict[str, Any] = {
        "name": deployment.name,
        "entrypoint": deployment.entrypoint,
        "description": deployment.description,
        "tags": list(deployment.tags),
        "parameters": {},
        "work_pool": {"name": deployment.pool, "job_variables": dict(FLEET_JOB_VARIABLES)},
        "enforce_parameter_schema": True,
    }
    if deployment.limit:
        declared["concurrency_limit"] = {"limit": deployment.limit, "collision_strategy": WAIT.value}
    if deployment.cron:
        schedule = _schedule(deployment, deployment.cron, is_active=False)
        when = schedule.pop("schedule")
        declared["schedules"] = [{"cron": when.cron, "timezone": when.timezone, **schedule}]
    return declared


def as_yaml() -> str:
    """The table as `prefect.yaml`, for `prefect deploy --all`."""
    declared = {
        "name": "ropewalk",
        "prefect-version": version("prefect"),
        "pull": [],
        "deployments": [as_declared(deployment) for deployment in DEPLOYMENTS],
    }
    return YAML_HEAD + yaml.safe_dump(declared, sort_keys=False, width=110, allow_unicode=True)


def _schedule(deployment: Deployment, cron: str, *, is_active: bool) -> dict[str, Any]:
    return {
        "slug": f"{deployment.name}-schedule",  # by which it is found again
        "schedule": CronSchedule(cron=cron, timezone=TIMEZONE),
        "active": is_active,
    }
