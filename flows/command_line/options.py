"""The options of the command line, declared once for all commands that take them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lib.errors import SettingsError
from lib.settings.load import DEFAULT_PROFILE, load_settings
from lib.settings.settings import Settings
from lib.store import STORE_VARIABLE
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import Reference

Profile = Annotated[str, typer.Option(help="A profile by name (laptop, nano, cluster), or the path of a TOML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Repeatable.")]
Seed = Annotated[int | None, typer.Option(min=0, help="The run's seed; every other seed derives from it.")]
Domains = Annotated[list[str] | None, typer.Option(metavar="DOMAIN", help="Make questions of this domain. Repeatable.")]
Store = Annotated[Path, typer.Option(envvar=STORE_VARIABLE, help="Where artifacts are.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
ServedProfile = Annotated[str, typer.Option("--profile", help="What deployments run with where nothing else is said.")]
Cron = Annotated[
    str | None, typer.Option(metavar="CRON", help='Run the pipeline by this schedule, as in "0 3 * * *" (UTC).')
]
From = Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Compute this stage and all after it again.")]
Only = Annotated[str | None, typer.Option(metavar="STAGE", help="Run one stage, its inputs from the store.")]
Force = Annotated[list[str] | None, typer.Option(metavar="STAGE", help="Compute this stage again. Repeatable.")]
Use = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STAGE=ARTIFACT",
        help="Take an artifact in place of a stage's own: the beginning of a digest, `latest` or `imported`; the stage "
        "may be named by what it gives, as in questions=imported. Repeatable.",
    ),
]
Name = Annotated[str, typer.Argument(help="A stage (its last artifact), or the beginning of a digest.")]

DEFAULT_STORE = Path(".ropewalk")


@dataclass(frozen=True)
class RunOptions:
    """What says which run is meant, for the commands that carry it out or plan it."""

    profile: Profile = DEFAULT_PROFILE
    overrides: Overrides = None
    seed: Seed = None
    domains: Domains = None
    store: Store = DEFAULT_STORE
    from_stage: From = None
    only: Only = None
    force: Force = None
    use: Use = None
    as_json: AsJson = False

    def load_settings(self) -> Settings:
        """Raises SettingsError for a mistake in them."""
        return load_settings(self.profile, self.overrides, self.seed, self.domains or ())

    def select_stages(self) -> tuple[list[str], list[str]]:
        """Names of the stages to compute again, and of all stages concerned."""
        # Imports Prefect, which reads its server's address from the environment at that moment.
        from flows.stages import STAGES, find_stage, with_later_stages

        if self.only and self.from_stage:
            raise SettingsError("--only and --from exclude each other.", next_step="leave one of them out")
        recompute = [find_stage(name).name for name in self.force or []]
        if self.from_stage:
            recompute += [stage.name for stage in with_later_stages(find_stage(self.from_stage))]
        stages = [find_stage(self.only).name] if self.only else [stage.name for stage in STAGES]
        if outside := [name for name in recompute if name not in stages]:
            raise SettingsError(
                f"--force {outside[0]} does not fit --only {self.only}.", next_step="leave one of them out"
            )
        settings = self.load_settings()
        for name in {self.only, self.from_stage, *(self.force or [])} - {None}:
            find_stage(name).require_wanted(settings)
        return recompute, stages

    def resolve_given(self) -> dict[str, Reference]:
        """Artifacts that stand in for those of stages, by stage name; they exist, are whole and of the right kind."""
        from flows.given import resolve_given, split_given

        given = resolve_given(split_given(self.use or []), ArtifactStore(self.store))
        if both := [name for name in self.select_stages()[0] if name in given and name in (self.force or [])]:
            raise SettingsError(f"--force and --use both name {both[0]}.", next_step="leave one of them out")
        if self.only in given:
            raise SettingsError(f"--only and --use both name {self.only}.", next_step="leave one of them out")
        if self.only and (beside := [name for name in given if name not in _made_from(self.only)]):
            raise SettingsError(
                f"--use names {beside[0]}, from which {self.only} is not made.",
                next_step=f"leave it out, or name one of {', '.join(_made_from(self.only))}",
            )
        return given


def _made_from(stage: str) -> list[str]:
    from flows.stages import find_stage, stages_before

    return [item.name for item in stages_before(find_stage(stage))]


def takes_run_options(command: Callable[[RunOptions], None]) -> Callable[..., None]:
    """Typer sees each field as an option; the command gets them in one object."""

    @functools.wraps(command)
    def with_fields(**fields: Any) -> None:
        command(RunOptions(**fields))

    with_fields.__signature__ = inspect.signature(RunOptions, eval_str=True)
    return with_fields
