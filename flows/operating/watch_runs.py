"""A thread that looks after the store's runs while a command lasts: dead ones are marked, and cancelled ones end.

Prefect's workers heed Cancel for the runs that they started; this does for those that were started from a shell.
"""

from __future__ import annotations

import itertools
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.operating.live_runs import CANCELLED, KEPT, drop_note, end_stages, mark_dead_runs, runs_at_work, told_once
from flows.operating.prefect_api import read_flow_run, set_state
from flows.operating.unnoted_runs import UnnotedRuns

logger = logging.getLogger("ropewalk.live")

TICK_S, MARK_EVERY_TICKS = 3.0, 5  # cancellations are heeded at each tick, dead runs marked every 15 s


@contextmanager
def runs_watched(root: Path, server: str) -> Iterator[None]:
    """Mark dead runs at once and then again and again for as long as this lasts, and heed cancellations.

    A run of this process that is cancelled in Prefect's pages gets SIGTERM, and is Cancelled when this ends. The
    thread lives as long as this does, whatever the server answers and whatever lies in the store.
    """
    done, cancelled, unnoted = threading.Event(), set[str](), UnnotedRuns(root, server)

    def watch() -> None:
        for tick in itertools.count():
            if tick % MARK_EVERY_TICKS == 0:
                with told_once("Dead runs cannot be looked for"):
                    for flow_run in mark_dead_runs(root, server) + unnoted.mark():
                        logger.warning("The process of the flow run %s is gone; it counts as crashed now.", flow_run)
            with told_once("Whether runs are cancelled cannot be found out"):
                asked = {run for run in runs_at_work() if run not in cancelled and _is_to_be_cancelled(server, run)}
                cancelled.update(asked)
                if asked:
                    _end_by_cancellation()
            if done.wait(TICK_S):
                return

    thread = threading.Thread(target=watch, daemon=True, name="watch-runs")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        for flow_run in cancelled:
            with told_once(f"The run {flow_run} cannot be set to Cancelled"):
                _set_cancelled(server, flow_run)


def _is_to_be_cancelled(server: str, flow_run: str) -> bool:
    found = read_flow_run(server, flow_run)
    return found is not None and found.state_type in CANCELLED


def _end_by_cancellation() -> None:
    """Interrupt the main thread in such a way that the run does not count as crashed on its way, which would alarm.

    Prefect's engine asks here whether a SIGTERM is a cancellation; its workers say so through a socket.
    """
    from prefect._internal import control_listener

    control_listener._set_intent("cancel")
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)


def _set_cancelled(server: str, flow_run: str) -> None:
    """What Prefect's engine leaves open: the stage that was interrupted, and a run that had not quite begun."""
    end_stages(server, flow_run, "CANCELLED", "The run was cancelled.")
    found = read_flow_run(server, flow_run)
    if found is not None and found.state_type not in KEPT:
        set_state(server, "flow_runs", flow_run, "CANCELLED", "", force=True)
    drop_note(flow_run)
