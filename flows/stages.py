"""All stages in the order in which they run."""

from __future__ import annotations

import difflib

from lib.errors import SettingsError
from tasks.align import ALIGN
from tasks.base import BASE
from tasks.databases import DATABASES
from tasks.demonstrate import DEMONSTRATE
from tasks.evaluate import EVALUATE
from tasks.extrapolate import EXTRAPOLATE
from tasks.images import IMAGES
from tasks.reinforce import REINFORCE
from tasks.report import REPORT
from tasks.source import SOURCE
from tasks.stage import Stage
from tasks.synthesize import SYNTHESIZE
from tasks.warm_up import WARM_UP

STAGES = (
    SOURCE,
    DATABASES,
    IMAGES,
    SYNTHESIZE,
    BASE,
    ALIGN,
    DEMONSTRATE,
    WARM_UP,
    REINFORCE,
    EXTRAPOLATE,
    EVALUATE,
    REPORT,
)


def find_stage(name: str) -> Stage:
    """The stage of that name; raises SettingsError with the nearest name."""
    names = [stage.name for stage in STAGES]
    if name in names:
        return STAGES[names.index(name)]
    near = difflib.get_close_matches(name, names, n=1)
    raise SettingsError(
        f"There is no stage {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
        next_step=f"use one of {', '.join(names)}",
    )


def with_later_stages(first: Stage) -> list[Stage]:
    """A stage and all that are made from it, directly or not."""
    chosen = [first]
    for stage in STAGES:
        if any(item in chosen for item in stage.inputs):
            chosen.append(stage)
    return chosen


def stages_before(last: Stage) -> list[Stage]:
    """All that a stage is made from, directly or not, in their order."""
    return [stage for stage in STAGES if stage.name in last.ancestors]
