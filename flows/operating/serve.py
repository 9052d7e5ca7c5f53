"""Everything that a single machine needs to operate the chain: server, work pools, a worker each, deployments.

Without the workers it is the head of a fleet, whose workers are elsewhere.

In: where the store is and where to listen. It lasts until it is interrupted, and then ends all that it has started.
Prefect is imported after the server's address is in the environment, from which it reads it.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path

from flows.operating.abandoned_runs import TAKEN_FOR, give_back
from flows.operating.live_runs import mark_dead_runs
from flows.operating.server import HOST, LocalServer, ask_directly, lasting_server, point_at
from flows.operating.server_access import ANY_ADDRESS, USER, is_loopback, password_file
from flows.operating.server_checks import ServerError, requests_explained
from flows.operating.signals import interrupt_on_signals
from flows.operating.watch_runs import runs_watched
from flows.operating.worker import Worker, stop, worker_name
from lib.store import STORE_VARIABLE

POLL_S = 0.5
LOOK_EVERY_S = 15.0  # for runs whose worker is gone
ONLINE_TIMEOUT_S = 120.0  # importing Prefect takes seconds, and many of them where other processes are busy


def serve(store: Path, *, host: str, port: int, profile: str, cron: str | None, with_workers: bool = True) -> None:
    """Start it all and stay until Ctrl-C or SIGTERM. Raises ServerError where a part of it does not start or ends."""
    interrupt_on_signals()
    ask_directly(HOST)
    with lasting_server(store, port, host) as server:
        point_at(server.url, server.home, server.credentials)
        mark_dead_runs(store, server.url)  # one that still counts as running takes a place in its pool
        _register(store, profile, cron, for_a_fleet=not with_workers)
        _give_back_untaken(server)
        workers = _start_workers(server, store) if with_workers else []
        try:
            if with_workers:
                _wait_until_ready(server, workers)
            _tell(server, host, store, with_workers=with_workers)
            with runs_watched(store, server.url):
                _look_after(server, workers)
        finally:
            stop(workers)
            mark_dead_runs(store, server.url)  # those that were ended with them; the server is about to end, too


def _register(store: Path, profile: str, cron: str | None, *, for_a_fleet: bool) -> None:
    from flows.operating.registration import register_for_a_fleet, register_for_this_machine

    if for_a_fleet:
        register_for_a_fleet(profile, cron)
    else:
        register_for_this_machine(store, profile, cron)


def _give_back_untaken(server: LocalServer) -> None:
    """What the workers of an earlier `ropewalk serve` had taken and never began; those of this one do not run yet."""
    from flows.operating.work_pools import POOLS

    give_back(server.url, POOLS, gone={None, *(worker_name(pool) for pool in POOLS)})


def _look_after(server: LocalServer, workers: list[Worker]) -> None:
    """Stay. Workers that end are started again, and what lost workers of other machines had taken is given back."""
    from flows.operating.work_pools import POOLS

    next_look = time.monotonic() + TAKEN_FOR.total_seconds()  # workers elsewhere have come back by then
    while True:
        server.require_alive()
        for worker in workers:
            if worker.has_ended():
                give_back(server.url, [worker.pool], gone={worker.name})
                worker.start_again()
        if time.monotonic() > next_look:
            give_back(server.url, POOLS)
            next_look = time.monotonic() + LOOK_EVERY_S
        time.sleep(POLL_S)


def _start_workers(server: LocalServer, store: Path) -> list[Worker]:
    from flows.operating.work_pools import POOLS

    environment = {STORE_VARIABLE: str(store.absolute())}
    return [Worker(pool, log=server.home / f"worker-{pool}.log", environment=environment) for pool in POOLS]


def _wait_until_ready(server: LocalServer, workers: list[Worker]) -> None:
    from prefect.client.orchestration import get_client

    from flows.operating.work_pools import are_ready

    deadline = time.monotonic() + ONLINE_TIMEOUT_S
    with requests_explained(), get_client(sync_client=True) as client:
        while not are_ready(client):
            _require_alive(server, workers)
            if time.monotonic() > deadline:
                raise ServerError(
                    f"No worker came online within {ONLINE_TIMEOUT_S:.0f} s.",
                    where=str(server.home),
                    next_step="read worker-cpu.log and worker-gpu.log there, then start it again",
                )
            time.sleep(POLL_S)


def _require_alive(server: LocalServer, workers: list[Worker]) -> None:
    server.require_alive()
    for worker in workers:
        worker.require_alive()


def _tell(server: LocalServer, host: str, store: Path, *, with_workers: bool) -> None:
    """The address on stdout, where scripts read it; the rest on stderr."""
    print(server.ui_url, flush=True)
    if server.is_new_password:
        print(
            f"Log in with {server.credentials} (told only now; kept in {password_file(server.home)})", file=sys.stderr
        )
    elif not is_loopback(host):
        print(f"Log in as {USER!r} with the password in {password_file(server.home)}", file=sys.stderr)
    if host in ANY_ADDRESS:
        print(f"For others: http://{socket.getfqdn()}:{server.port}", file=sys.stderr)
    where = f"run on the store {store.absolute()}" if with_workers else "wait for workers (`ropewalk worker`)"
    print(f"Deployments are there and {where}. Ctrl-C ends all of it.", file=sys.stderr)
