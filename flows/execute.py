"""One run of the flow from this process: a server, the flow, and its records safely in the server."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from flows.operating.server import LocalServer
from flows.operating.server_checks import ServerError
from flows.operating.settle import settle, settled_if_interrupted
from flows.operating.signals import interrupt_on_signals
from flows.operating.watch_runs import runs_watched
from lib.store.manifest import Reference
from tasks.run import Listener, listener


@dataclass(frozen=True)
class Request:
    """What a user asks for."""

    profile: str
    store: Path
    overrides: list[str] = field(default_factory=list)
    seed: int | None = None
    domains: list[str] = field(default_factory=list)
    recompute: list[str] = field(default_factory=list)
    only: str | None = None
    given: dict[str, str] = field(default_factory=dict)


def execute(request: Request, server: LocalServer | None, listens: Listener) -> dict[str, Reference]:
    """Run the chain, or one stage of it, and return the references by stage name.

    Errors of stages are raised as they are; finished stages stay in the store. A server of this run's
    own that is still starting is waited for, and started again where it ends before the run does.
    """
    if server is None:
        return _execute(request, listens)
    server.wait()
    with server.kept_running():
        return _execute(request, listens)


def _execute(request: Request, listens: Listener) -> dict[str, Reference]:
    from prefect.settings import temporary_settings

    from flows.pipeline import pipeline
    from flows.single_stage import STAGE_FLOWS

    interrupt_on_signals()  # a stage ends at once, and the processes of its job with it
    shared: dict[str, Any] = {
        "profile": request.profile,
        "settings": request.overrides,
        "seed": request.seed,
        "domains": request.domains,
        "store": str(request.store.absolute()),
    }
    token = listener.set(listens)
    try:
        with (
            runs_watched(request.store, os.environ["PREFECT_API_URL"]),
            settled_if_interrupted(),
            temporary_settings(_without_heartbeats()),
        ):
            if request.only:
                again = request.only in request.recompute
                state = STAGE_FLOWS[request.only](**shared, inputs=request.given, recompute=again, return_state=True)
            else:
                state = pipeline(**shared, given=request.given, recompute=request.recompute, return_state=True)
    except httpx.HTTPError as error:  # those of stages come as a state
        raise ServerError(
            f"Prefect's server is away, or does not do what it is asked for: {error}",
            where=os.environ["PREFECT_API_URL"],
            kept="every stage that had finished, and what the others saved",
            next_step="run the same command again, when the server is back or without PREFECT_API_URL",
        ) from error
    finally:
        listener.reset(token)
    expected = 1
    if state.is_completed():  # the lineage comes last
        expected = 1 + (1 if request.only else len(state.result()))
    settle(state.state_details.flow_run_id, num_tasks=expected)
    return state.result()


def _without_heartbeats() -> dict[Any, None]:
    """Settings that leave out what nobody here listens for, unless the user has asked for it.

    At the end of a run Prefect waits up to a second for the thread that sends heartbeats.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY as FREQUENCY

    return {} if FREQUENCY.name in os.environ else {FREQUENCY: None}
