"""Heavy stages where the accelerators are: as flow runs of their own in the work pool `gpu`.

In: a stage, its run and its inputs. Out: the artifact's reference, which comes back through the store that both
flow runs use, by the fingerprint that both compute. Without such a pool, or without a worker in it, a stage runs in
place. A flow run of that pool never dispatches: it is the one that holds the accelerator.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, State, WorkerStatus
from prefect.context import FlowRunContext
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelling

from lib.errors import JobError, WorkerLostError
from lib.progress import Progress
from lib.store.fingerprint import Fingerprint
from lib.store.manifest import Reference
from tasks.run import Outcome, Run, listener, parent_tag
from tasks.stage import Stage, find_verified, hold

GPU_POOL = "gpu"
FLOW = "ropewalk-stage"  # of the deployments of single stages
POLL_S = 1.0
UNTAKEN_S = 30.0  # so long a dispatched run waits for a worker where the last one is gone: it may be starting again
ASKED_AGAIN_S = 120.0  # a server that is killed is back within half a minute
SERVER_AWAY_S = 600.0  # the dispatched run goes on without the server for longer than a restart takes

logger = logging.getLogger("ropewalk.dispatch")


def run_elsewhere(stage: Stage, run: Run, inputs: dict[str, Reference]) -> Reference | None:
    """What a flow run in the pool `gpu` has computed; None where the stage is to run here, or its artifact is known."""
    parent = FlowRunContext.get()
    may_leave = stage.heavy and run.asked and stage.name not in run.given and parent is not None
    if not may_leave or parent.flow_run.work_pool_name == GPU_POOL:
        return None
    fingerprint = stage.fingerprint(run, {name: reference.digest for name, reference in inputs.items()})
    again = run.must_recompute(stage.name, fingerprint.digest)
    if not again and find_verified(run, stage.name, fingerprint) is not None:
        return None
    with get_client(sync_client=True) as client:
        child = _run_in_pool(client, stage, run, inputs, parent.flow_run, again) if _is_ready(client, stage) else None
    if child is None:
        return None
    reference = _collect(stage, run, fingerprint, child)
    run.finish(stage.name, reference, Outcome.COMPUTED)
    return reference


def end_dispatched(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """A hook for a flow run that was cancelled or has crashed: what it dispatched is cancelled."""
    with get_client(sync_client=True) as client:
        for child in client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[parent_tag(flow_run.id)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(not_any_=list(TERMINAL_STATES))),
            )
        ):
            _cancel(client, child)


def has_worker(client: SyncPrefectClient, pool: str) -> bool:
    """Whether one of the pool's workers was heard lately and may take runs; Prefect's status of a pool lags behind."""
    if client.read_work_pool(pool).is_paused:
        return False
    return any(worker.status is WorkerStatus.ONLINE for worker in client.read_workers_for_work_pool(pool))


def _is_ready(client: SyncPrefectClient, stage: Stage) -> bool:
    """Whether the stage's deployment would be run.

    A server that is away for a moment is asked again: it is no reason to train where there is no accelerator.
    """
    asked = time.monotonic()
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        while True:
            try:
                client.read_deployment_by_name(f"{FLOW}/{stage.name}")
                return has_worker(client, GPU_POOL)
            except ObjectNotFound:
                return False
            except httpx.HTTPError:
                if time.monotonic() - asked > ASKED_AGAIN_S:
                    raise
                time.sleep(POLL_S)


def _run_in_pool(
    client: SyncPrefectClient, stage: Stage, run: Run, inputs: dict[str, Reference], parent: FlowRun, again: bool
) -> FlowRun | None:
    """The flow run that was started and has ended; None where nobody took it."""
    hold(run, inputs)
    parameters = {
        **_asked_elsewhere(run),
        "inputs": {name: reference.full for name, reference in inputs.items()},
        "recompute": again,
    }
    child = run_deployment(
        f"{FLOW}/{stage.name}",
        parameters=parameters,
        flow_run_name=f"{stage.name} of {parent.name}",
        tags=[parent_tag(parent.id)],
        idempotency_key=str(uuid.uuid4()),  # the request is sent again where its answer is lost
        timeout=0,
    )
    try:
        ended = _wait(client, child, listener.get().started(stage.name))
    except BaseException:
        with suppress(httpx.HTTPError):
            _cancel(client, child)
        raise
    if ended is None:
        _cancel(client, child)
    return ended


def _asked_elsewhere(run: Run) -> dict[str, Any]:
    """What the run was asked for, in words that mean the same in another folder."""
    asked = dict(run.asked)
    if asked["profile"].endswith(".toml"):
        asked["profile"] = str(Path(asked["profile"]).absolute())
    if hostfile := run.settings.workers.hostfile:
        asked["settings"] = [*asked["settings"], f"workers.hostfile={json.dumps(str(Path(hostfile).absolute()))}"]
    if (events := run.settings.lineage.openlineage) and "://" not in events:
        asked["settings"] = [*asked["settings"], f"lineage.openlineage={json.dumps(str(Path(events).absolute()))}"]
    return asked


def _wait(client: SyncPrefectClient, child: FlowRun, progress: Progress) -> FlowRun | None:
    """The flow run when it has ended; None where nobody is left to take it."""
    heard = taken_care_of = time.monotonic()
    while True:
        now = time.monotonic()
        try:
            child = client.read_flow_run(child.id)
            state = child.state
            if state.is_final():
                return child
            if not state.is_scheduled() or has_worker(client, GPU_POOL):
                taken_care_of = now
            progress.update(0, 0, f"{state.name.lower()} in the pool {GPU_POOL} as {child.name!r}")
            heard = now
        except httpx.HTTPError:
            if now - heard > SERVER_AWAY_S:
                raise
            taken_care_of = now
        if now - taken_care_of > UNTAKEN_S:
            logger.warning("The pool %s has no worker any more; %s runs in place.", GPU_POOL, child.name)
            return None
        time.sleep(POLL_S)


def _collect(stage: Stage, run: Run, fingerprint: Fingerprint, child: FlowRun) -> Reference:
    """What the flow run has left in the store; raises JobError where that is nothing."""
    where = f"flow run {child.name} ({child.id})"
    if not child.state.is_completed():
        # A machine that was lent for a time or has failed: another may take it up where its checkpoint is.
        error = WorkerLostError if child.state.is_crashed() else JobError
        raise error(
            f"{stage.name} ended as {child.state.name} in the pool {GPU_POOL}: {child.state.message}",
            where=where,
            next_step=f"read its log with `prefect flow-run logs {child.id}`, then run again",
        )
    reference = find_verified(run, stage.name, fingerprint)
    if reference is None:
        raise JobError(
            f"{stage.name} is done in the pool {GPU_POOL}, but this store does not have its artifact.",
            where=f"{where}; store {run.store.root}",
            next_step="give both machines the same store under the same path, and the same version of Ropewalk and of "
            "the libraries that it depends on",
        )
    return reference


def _cancel(client: SyncPrefectClient, flow_run: FlowRun) -> None:
    client.set_flow_run_state(flow_run.id, Cancelling(message="The run that dispatched it has ended."))
