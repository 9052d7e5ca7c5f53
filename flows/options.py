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

Profile = Annotated[str, typer.Option(help="A profile by name (laptop, nano, cluster), or the path of a TOML file.")]
Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Repeatable.")]
Seed = Annotated[int | None, typer.Option(min=0, help="The run's seed; every other seed derives from it.")]
Store = Annotated[Path, typer.Option(envvar="ROPEWALK_STORE", help="Where artifacts are.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data as JSON.")]
From = Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Compute this stage and all after it again.")]
Only = Annotated[str | None, typer.Option(metavar="STAGE", help="Run one stage, its inputs from the store.")]
Force = Annotated[list[str] | None, typer.Option(metavar="STAGE", help="Compute this stage again. Repeatable.")]
Name = Annotated[str, typer.Argument(help="A stage (its last artifact), or the beginning of a digest.")]

DEFAULT_STORE = Path(".ropewalk")


@dataclass(frozen=True)
class RunOptions:
    """What says which run is meant, for the commands that carry it out or plan it."""

    profile: Profile = DEFAULT_PROFILE
    overrides: Overrides = None
    seed: Seed = None
    store: Store = DEFAULT_STORE
    from_stage: From = None
    only: Only = None
    force: Force = None
    as_json: AsJson = False

    def load_settings(self) -> Settings:
        """Raises SettingsError for a mistake in them."""
        return load_settings(self.profile, self.overrides, self.seed)

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
        return recompute, stages


def takes_run_options(command: Callable[[RunOptions], None]) -> Callable[..., None]:
    """Typer sees each field as an option; the command gets them in one object."""

    @functools.wraps(command)
    def with_fields(**fields: Any) -> None:
        command(RunOptions(**fields))

    with_fields.__signature__ = inspect.signature(RunOptions, eval_str=True)
    return with_fields
