"""`ropewalk worker`: a process worker of a fleet, which also notices the runs that died.

In: the store's path on this machine, the pool, and a server that is up. It lasts until it is interrupted. Prefect is
imported after the server's address is in the environment, from which it reads it.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from flows.operating.abandoned_runs import give_back
from flows.operating.live_runs import mark_dead_runs
from flows.operating.server import require_server
from flows.operating.server_checks import requests_explained
from flows.operating.signals import interrupt_on_signals
from flows.operating.watch_runs import runs_watched
from flows.operating.worker import Worker, stop
from lib.store import STORE_VARIABLE

POLL_S = 0.5


def work(store: Path, *, pool: str, limit: int | None) -> None:
    """Take runs of the pool until Ctrl-C or SIGTERM. Raises ServerError without a server, or when the worker ends."""
    interrupt_on_signals()
    url = require_server(store)
    from flows.operating.work_pools import POOLS

    _create_missing_pools()
    name = f"{pool} on {socket.gethostname()} ({os.getpid()})"
    worker = Worker(pool, name=name, environment={STORE_VARIABLE: str(store.absolute())}, limit=limit)
    try:
        if pool not in POOLS:
            print(
                f"No deployment of Ropewalk runs in the pool {pool!r}, but in {' and '.join(POOLS)}.", file=sys.stderr
            )
        print(f"Worker {name!r} of {url} runs on the store {store.absolute()}. Ctrl-C ends it.", file=sys.stderr)
        with runs_watched(store, url):
            while True:
                if worker.has_ended():
                    give_back(url, [pool], gone={worker.name})
                    worker.start_again()
                time.sleep(POLL_S)
    finally:
        stop([worker])
        mark_dead_runs(store, url)  # those that were ended with it; nobody else may be there to tell


def _create_missing_pools() -> None:
    """Prefect's own worker would create its pool too, without a limit."""
    from prefect.client.orchestration import get_client

    from flows.operating.work_pools import create_missing_pools

    with requests_explained(), get_client(sync_client=True) as client:
        create_missing_pools(client)
