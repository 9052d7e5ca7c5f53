"""A light and a heavy stage as flows that a worker finds by this module's name; each writes who computed it and when.

The heavy one takes as many tenths of a second as `reinforce.steps` says, and fails where that is 13.
"""

import os
import time
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from lib.errors import JobError
from lib.settings.load import load_settings
from lib.store.manifest import Reference
from tasks.dispatch import FLOW, end_dispatched
from tasks.prefect_task import references_of, stage_task
from tasks.run import Run
from tasks.stage import Stage, Work
from tests.small_chain import KIND, write

FAILING_STEPS = 13


def milliseconds() -> int:
    return round(1000 * time.time())


def light_work(work: Work) -> None:
    write(work, [os.getpid()])


def heavy_work(work: Work) -> None:
    started = milliseconds()
    (work.scratch / "pid").write_text(str(os.getpid()))
    if work.settings.reinforce.steps == FAILING_STEPS:
        raise JobError("rank 0 was killed", next_step="run again")
    time.sleep(work.settings.reinforce.steps / 10)
    write(work, [os.getpid(), started, milliseconds()])


LIGHT = Stage("light", KIND, light_work, "lib.seeds")
HEAVY = Stage("heavy", KIND, heavy_work, "lib.progress", inputs=(LIGHT,), settings=("reinforce",), heavy=True)
light_task, heavy_task = stage_task(LIGHT), stage_task(HEAVY)


def open_run(store: str, seed: int, settings: list[str], recompute: list[str]) -> Run:
    asked = {"profile": "nano", "seed": seed, "settings": settings, "store": store}
    name = flow_run.name or ""
    return Run(load_settings("nano", settings, seed), Path(store), recompute, name=name, asked=asked)


@flow(name="dispatching", on_cancellation=[end_dispatched], on_crashed=[end_dispatched])
def chain(store: str, seed: int = 0, settings: list[str] = [], recompute: list[str] = []):  # noqa: B006
    run = open_run(store, seed, settings, recompute)
    light = light_task(run)
    return references_of({"light": light, "heavy": heavy_task(run, light=light)})


@flow(name=FLOW)
def heavy(profile: str, seed: int, settings: list[str], store: str, inputs: dict[str, str], recompute: bool):
    run = open_run(store, seed, settings, ["heavy"] if recompute else [])
    kind, _, digest = inputs["light"].partition("/")
    return references_of({"heavy": heavy_task(run, light=Reference(kind=kind, digest=digest))})
