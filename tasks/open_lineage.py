"""Tells other catalogues what a stage reads and gives, where a run's settings name one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prefect.runtime import flow_run

from lib.store.manifest import Reference
from lib.store.open_lineage import OpenLineage, StageRun, new_run_id
from tasks.run import Outcome, Run
from tasks.stage import Stage


class Told:
    """What the stage has given, once it has."""

    def __init__(self) -> None:
        self.result: tuple[Reference, Outcome] | None = None

    def gave(self, reference: Reference, outcome: Outcome) -> None:
        self.result = reference, outcome


@contextmanager
def told_to_catalogue(stage: Stage, run: Run, inputs: Mapping[str, Reference]) -> Iterator[Told]:
    """START before, and COMPLETE, FAIL or ABORT after what happens inside; raises SettingsError for a bad destination.

    A second attempt is a run of its own.
    """
    told = Told()
    if run.settings.lineage.openlineage is None:
        yield told
        return
    events = OpenLineage(run.settings.lineage, run.store)
    of_stage = StageRun(new_run_id(), stage.name, inputs, flow_run.flow_name or "", str(flow_run.id or ""))
    events.started(of_stage)
    try:
        yield told
    except Exception as error:
        events.failed(of_stage, error)
        raise
    except BaseException:  # Ctrl-C, a signal, a cancelled run
        events.aborted(of_stage)
        raise
    assert told.result is not None, f"{stage.name} has ended without saying what it gave"
    events.completed(of_stage, *told.result)
