"""Flow runs that a worker had taken and never began, as it was killed: they are scheduled again.

Such a run is Pending for good: no process notes itself for it, no worker takes it, and it holds a place in its pool and
in its deployment. One that has a process is another matter: see `live_runs`.
"""

from __future__ import annotations

import logging
import urllib.parse
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel

from flows.operating.live_runs import told_once
from flows.operating.prefect_api import ask, read_as, set_state

logger = logging.getLogger("ropewalk.abandoned")

# From being taken to its first state a run imports Prefect and the chain: seconds, a minute where a machine is busy.
TAKEN_FOR = timedelta(minutes=3)
WORKER, WORKER_TYPE = "prefect.worker.name", "prefect.worker.type"  # labels that a worker puts on what it takes
PROCESS = "process"  # what other types have taken may wait for a machine for hours


class _State(BaseModel):
    timestamp: datetime


class _Taken(BaseModel):
    id: str
    labels: dict[str, Any]
    state: _State


class _Worker(BaseModel):
    name: str
    status: str


def give_back(server: str, pools: Iterable[str], gone: Collection[str | None] = ()) -> None:
    """`reschedule_abandoned`, told in the log; whatever is in its way is tried again at the next look."""
    with told_once("Runs that no worker has begun cannot be looked for"):
        for flow_run in reschedule_abandoned(server, pools, gone):
            logger.warning("The flow run %s had been taken and not begun; it is scheduled again.", flow_run)


def reschedule_abandoned(server: str, pools: Iterable[str], gone: Collection[str | None] = ()) -> list[str]:
    """Schedule again what workers took that have ended; returns those flow runs. Raises OSError.

    `gone` names workers that are known to have ended; None stands for those that had not yet signed what they took.
    Any other has when the server has not heard of it for a while; its runs are given time to begin.
    """
    rescheduled = []
    for pool in pools:
        path = f"work_pools/{urllib.parse.quote(pool)}/workers/filter"
        workers = read_as(list[_Worker], ask(server, path, {}), server)
        online = {worker.name for worker in workers if worker.status == "ONLINE"} - set(gone)
        for run in _taken(server, pool):
            worker = run.labels.get(WORKER)
            is_late = worker not in online and datetime.now(UTC) - run.state.timestamp > TAKEN_FOR
            if run.labels.get(WORKER_TYPE, PROCESS) == PROCESS and (worker in gone or is_late):
                words = f"The worker {worker or 'that had taken it'} is gone; another one takes it."
                set_state(server, "flow_runs", run.id, "SCHEDULED", words, force=False)
                rescheduled.append(run.id)
    return rescheduled


def _taken(server: str, pool: str) -> list[_Taken]:
    pending = {"flow_runs": {"state": {"type": {"any_": ["PENDING"]}}}, "work_pools": {"name": {"any_": [pool]}}}
    return read_as(list[_Taken], ask(server, "flow_runs/filter", pending), server)
