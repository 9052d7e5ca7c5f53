"""Flow runs of a shell whose process died before it could note itself: they are set to Crashed, too.

A run is at the server a moment before its process holds a lock for it (see `live_runs`). Whatever is unfinished, was
started by no worker, names this store, and has no lock file for long enough, has no process.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from flows.operating.live_runs import AT_WORK, CANCELLED, FOLDER, end_stages
from flows.operating.prefect_api import FoundRun, ask, read_as, set_state

FLOWS = ("ropewalk", "ropewalk-stage")
PATIENCE_S = 45.0  # by this process's clock; a store on a network shows a new file late


class _Started(FoundRun):
    parameters: dict[str, Any]


class UnnotedRuns:
    """Those of one store at one server, looked at again and again."""

    def __init__(self, root: Path, server: str, patience_s: float = PATIENCE_S):
        self._root, self._server, self._patience_s = root, server, patience_s
        self._seen: dict[str, float] = {}

    def mark(self) -> list[str]:
        """Set those that have been seen without a note for long enough; returns them. Raises OSError."""
        now = time.monotonic()
        unnoted = {run.id: run for run in self._unfinished() if not self._is_noted(run)}
        self._seen = {run: self._seen.get(run, now) for run in unnoted}
        dead = [run for run, since in self._seen.items() if now - since >= self._patience_s]
        for run in dead:
            state = "CANCELLED" if unnoted[run].state_type in CANCELLED else "CRASHED"
            words = "Its process was gone before it had begun."
            end_stages(self._server, run, state, words)
            set_state(self._server, "flow_runs", run, state, words, force=True)
        return dead

    def _unfinished(self) -> list[_Started]:
        of_shells = {"deployment_id": {"is_null_": True}, "state": {"type": {"any_": ["PENDING", *AT_WORK]}}}
        filters = {"flow_runs": of_shells, "flows": {"name": {"any_": FLOWS}}}
        found = read_as(list[_Started], ask(self._server, "flow_runs/filter", filters), self._server)
        return [run for run in found if run.parameters.get("store") == str(self._root.absolute())]

    def _is_noted(self, run: _Started) -> bool:
        return (self._root / FOLDER / f"{run.id}.json").exists()
