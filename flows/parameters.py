"""What a run can be asked for: types that Prefect turns into a form and checks before a run starts.

In: the texts and numbers of a form, a command line or another run. Out: checked values, or a ValueError in a sentence.
Whether a settings key exists or an artifact is there is found out when the run opens its store.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.alias_generators import to_pascal

from flows.given import IMPORTED, LATEST, resolve_given
from flows.operating.live_runs import note_live
from flows.stages import STAGES, find_stage
from lib.errors import SettingsError
from lib.settings.load import load_settings, profile_names
from lib.settings.synthesis import DOMAINS, Domain
from lib.store import STORE_VARIABLE
from lib.store.artifact_store import ArtifactStore
from tasks.run import Run, parent_of
from tasks.stage import Stage

PROFILE_FILE = r"\.toml$"
SETTING = r"^\s*\w+(\.\w+)*\s*="
ARTIFACT = rf"^({LATEST}|{IMPORTED}|(\w+/)?[0-9a-f]{{4,64}})?$"


def _check_profile(profile: str) -> str:
    if profile in profile_names() or profile.endswith(".toml"):
        return profile
    raise ValueError(f"there is no profile {profile!r}; use one of {', '.join(profile_names())}, or a .toml file")


Profile = Annotated[
    str,
    AfterValidator(_check_profile),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "enum": profile_names(), "title": "shipped"},
                {"type": "string", "pattern": PROFILE_FILE, "title": "TOML file"},
            ]
        }
    ),
]
Seed = Annotated[int, Field(ge=0)]
Domains = Annotated[
    list[Domain],
    # A Literal of one value would be a constant of the form and not a choice.
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(DOMAINS)}, "uniqueItems": True}),
]
Setting = Annotated[str, Field(pattern=SETTING, title="SECTION.KEY=VALUE")]
StageName = Literal[tuple(stage.name for stage in STAGES)]
StorePath = Annotated[str, Field(pattern="^(/.*)?$")]
ArtifactName = Annotated[str, Field(pattern=ARTIFACT)]


class Choice(BaseModel):
    """Which artifact stands in for each stage's own; empty where the settings say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def named(self) -> dict[str, str]:
        """What was chosen, by stage name."""
        return {name: artifact for name, artifact in self if artifact}


def choice_among(stages: Iterable[Stage], name: str) -> type[Choice]:
    """A model with a field a stage; its name stands above them in the form."""
    fields: dict[str, Any] = {
        stage.name: (ArtifactName, Field("", description=f"{LATEST}, {IMPORTED}, {stage.kind.name}/DIGEST, or empty"))
        for stage in stages
    }
    return create_model(to_pascal(name), __base__=Choice, **fields)


Given = choice_among(STAGES, "given")


def open_run(
    profile: str,
    seed: int | None,
    domains: list[Domain],
    settings: list[str],
    store: str,
    recompute: list[str],
    given: Choice,
) -> Run:
    """The run that this flow run is asked for; raises a RopewalkError that says what is wrong with it."""
    root = _find_store(store)
    if flow_run.id and (server := PREFECT_API_URL.value()):  # a server of Prefect's own making ends with this process
        note_live(root, flow_run=str(flow_run.id), run_count=flow_run.run_count, server=server, name=flow_run.name)
    chosen = load_settings(profile, settings, seed, domains)
    for name in given.named():
        find_stage(name).require_wanted(chosen)
    return Run(
        chosen,
        root,
        recompute,
        flow_run=(parent_of(flow_run.tags) or str(flow_run.id)) if flow_run.id else "",
        given=resolve_given(given.named(), ArtifactStore(root)),
        name=flow_run.name or "",
        asked={"profile": profile, "seed": seed, "domains": domains, "settings": settings, "store": store},
    )


def _find_store(store: str) -> Path:
    """A flow run's folder may be a temporary one, in which a store would be lost: there is no default."""
    if found := store or os.environ.get(STORE_VARIABLE):
        return Path(found)
    raise SettingsError(
        f"Nothing says where the store is: the parameter `store` is empty and {STORE_VARIABLE} is not set.",
        where="the flow run's parameters, and the environment of its worker",
        next_step=f"give `store` an absolute path, or start the worker with {STORE_VARIABLE}=/path",
    )
