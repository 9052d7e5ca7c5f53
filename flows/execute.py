"""One run of the flow from this process: a server, the flow, and its records safely in the server."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from flows.server import LocalServer
from flows.stages import STAGES
from lib.store.manifest import Reference
from tasks.run import Listener, listener

SETTLE_TIMEOUT_S = 5.0  # the server takes a moment to write the last task runs down
SETTLE_POLL_S = 0.05
FINAL_STATES = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    profile: str
    store: Path
    overrides: list[str] = field(default_factory=list)
    seed: int | None = None
    recompute: list[str] = field(default_factory=list)
    only: str | None = None


def execute(request: Request, server: LocalServer | None, listens: Listener) -> dict[str, Reference]:
    """Run the chain, or one stage of it, and return the references by stage name.

    Errors of stages are raised as they are; finished stages stay in the store. A server that is
    still starting is waited for.
    """
    from prefect.settings import temporary_settings

    from flows.pipeline import pipeline, single_stage

    if server is not None:
        server.wait()
    _interrupt_on_signals()
    shared: dict[str, Any] = {
        "profile": request.profile,
        "overrides": request.overrides,
        "seed": request.seed,
        "store": str(request.store.absolute()),
        "recompute": request.recompute,
    }
    token = listener.set(listens)
    try:
        with temporary_settings(_without_heartbeats()):
            if request.only:
                state = single_stage(stage=request.only, **shared, return_state=True)
            else:
                state = pipeline(**shared, return_state=True)
    finally:
        listener.reset(token)
    expected = len(STAGES) if state.is_completed() and not request.only else 1
    with suppress(OSError):  # a server that has gone away must not hide what became of the run
        _settle(state.state_details.flow_run_id, num_tasks=expected)
    return state.result()


def _without_heartbeats() -> dict[Any, None]:
    """Settings that leave out what nobody here listens for, unless the user has asked for it.

    At the end of a run Prefect waits up to a second for the thread that sends heartbeats.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY as FREQUENCY

    return {} if FREQUENCY.name in os.environ else {FREQUENCY: None}


def _interrupt_on_signals() -> None:
    """Both signals end a stage at once, and the processes of a job with it."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def _settle(flow_run_id: UUID, num_tasks: int) -> None:
    """Send what Prefect still holds back, and wait until the server has the end of every task run."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    EventsWorker.drain_all(timeout=SETTLE_TIMEOUT_S)
    APILogWorker.drain_all(timeout=SETTLE_TIMEOUT_S)
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while time.monotonic() < deadline:
        states = _task_run_states(flow_run_id)
        if len(states) >= num_tasks and all(state in FINAL_STATES for state in states):
            return
        time.sleep(SETTLE_POLL_S)


def _task_run_states(flow_run_id: UUID) -> list[str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(
        f"{os.environ['PREFECT_API_URL'].rstrip('/')}/task_runs/filter",
        data=json.dumps({"flow_runs": {"id": {"any_": [str(flow_run_id)]}}}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with opener.open(request, timeout=SETTLE_TIMEOUT_S) as response:
        return [task_run["state_type"] for task_run in json.load(response)]
