"""The server has the end of a run and of all its stages before the process that carried it out ends.

Prefect sends the states of task runs as events from a thread of its own, and the server writes them down when it gets
to it. A process that ends at once would leave them at Running.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import httpx

from flows.operating.live_runs import own_runs
from flows.operating.signals import interrupt_on_signals

TIMEOUT_S = 5.0  # the server takes a moment to write the last task runs down
POLL_S = 0.05
QUIET_S = 0.3  # between the arrival of an event and its record


@contextmanager
def settled_if_interrupted() -> Iterator[None]:
    """Runs of this process that are interrupted in here are settled; what comes out is KeyboardInterrupt."""
    from prefect._internal import control_listener
    from prefect.exceptions import TerminationSignal

    try:
        yield
    except (KeyboardInterrupt, TerminationSignal):
        is_cancelled = control_listener.get_intent() == "cancel"
        control_listener.clear_intent()
        interrupt_on_signals()  # Prefect keeps its own handler after a cancellation
        _send_held_back()
        time.sleep(QUIET_S)
        for flow_run in own_runs():
            settle(UUID(flow_run), num_tasks=0)
        raise KeyboardInterrupt(*(["Cancelled in Prefect's pages"] if is_cancelled else [])) from None


def settle(flow_run_id: UUID, num_tasks: int) -> None:
    """Send what Prefect still holds back, and wait until the server has the end of so many task runs or more.

    A server that has gone away must not hide what became of the run.
    """
    from prefect.client.schemas.objects import TERMINAL_STATES

    _send_held_back()
    deadline = time.monotonic() + TIMEOUT_S
    with suppress(OSError, httpx.HTTPError):
        while time.monotonic() < deadline:
            states = _task_run_states(flow_run_id)
            if len(states) >= num_tasks and all(state in TERMINAL_STATES for state in states):
                return
            time.sleep(POLL_S)


def _send_held_back() -> None:
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    EventsWorker.drain_all(timeout=TIMEOUT_S)
    APILogWorker.drain_all(timeout=TIMEOUT_S)


def _task_run_states(flow_run_id: UUID) -> list[Any]:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    with get_client(sync_client=True) as client:
        of_this_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
        return [task_run.state_type for task_run in client.read_task_runs(flow_run_filter=of_this_run)]
