"""Flow runs and their processes: the run of a dead process is set to Crashed.

Prefect does so for runs that a worker started; this does it for runs that were started from a shell, too.

A flow process keeps a file below `live/` locked for as long as it runs. The kernel frees the lock
when the process ends, however it ends, so a free lock means a dead process: no process id that is
in use again, no clock that jumps and no restart of the machine can make it look alive, or a living one dead.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from flows.operating.prefect_api import FoundRun, OddAnswerError, find_runs, read_flow_run, set_state
from lib.store.locks import Holder, try_exclusive
from lib.store.manifest import Record
from tasks.run import parent_tag

logger = logging.getLogger("ropewalk.live")

FOLDER = "live"
LOCK_WITHIN_S, POLL_S = 30.0, 0.02  # somebody may just be looking whether an earlier attempt is dead
FORGOTTEN_AFTER = timedelta(days=7)  # a run whose server never came back
# What a process was doing when it died. Other states wait for a process, or have ended.
AT_WORK = ("RUNNING", "CANCELLING")
CANCELLED = ("CANCELLING", "CANCELLED")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
KEPT = ("COMPLETED", "FAILED", "CANCELLED")  # what a run or a stage has come to stays, whoever cancels it late


class LiveRun(Record):
    """One flow run and the process that carries it out."""

    flow_run: str
    run_count: int  # which attempt at the flow run
    server: str  # address of its API
    holder: Holder


_files: dict[str, IO[str]] = {}  # locked by this process, by flow run
_own: list[str] = []
_told: set[str] = set()


def note_live(root: Path, *, flow_run: str, run_count: int, server: str, name: str) -> None:
    """From now on, until `forget`, the run counts as alive as long as this process is."""
    _own.append(flow_run)
    path = root / FOLDER / f"{flow_run}.json"
    live = LiveRun(flow_run=flow_run, run_count=run_count, server=server, holder=Holder.this_process(name))
    deadline = time.monotonic() + LOCK_WITHIN_S
    with suppress(OSError):  # a store that cannot be written is no reason to stop
        path.parent.mkdir(parents=True, exist_ok=True)
        while (file := try_exclusive(path)) is None:
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_S)
        file.truncate(0)
        file.write(live.model_dump_json())
        file.flush()
        _files[flow_run] = file


def forget(flow: Any, flow_run: Any, state: Any) -> None:
    """The hook for every end of a flow: its state is in the server now."""
    drop_note(str(flow_run.id))


def own_runs() -> list[str]:
    """Flow runs that this process carries out or has carried out."""
    return list(_own)


def runs_at_work() -> list[str]:
    """Flow runs that this process carries out."""
    return list(_files)


def drop_note(flow_run: str) -> None:
    """Of a run of this process whose end the server knows."""
    if (file := _files.pop(flow_run, None)) is not None:
        Path(file.name).unlink(missing_ok=True)
        file.close()


def mark_dead_runs(root: Path, server: str | None = None) -> list[str]:
    """Set the runs of this store whose process is dead to Crashed, or to Cancelled where that was under way.

    `server` is the API that now holds the store's records; runs noted with another address are looked for at
    both. Returns the flow runs that were set. Raises nothing: what cannot be set now is tried at the next call.
    """
    marked = []
    for path in sorted((root / FOLDER).glob("*.json")):
        with told_once(f"The note {path} is left as it is"):
            if (file := try_exclusive(path)) is not None:
                with file:
                    if _settle(path, file, server):
                        marked.append(path.stem)
    return marked


@contextmanager
def told_once(what: str) -> Iterator[None]:
    """A boundary: whatever goes wrong here goes wrong again at the next look, so only the first time is told."""
    try:
        yield
    except Exception as error:
        tell_once(what, error)


def tell_once(what: str, error: Exception) -> None:
    """A warning; none of a server that is away or a file that is gone, as either may be there again."""
    is_away = isinstance(error, OSError) and not isinstance(error, OddAnswerError)
    if not is_away and (key := f"{what}: {type(error).__name__}") not in _told:
        _told.add(key)
        logger.warning("%s: %s: %s", what, type(error).__name__, error)


def end_stages(address: str, flow_run: str, state: str, words: str, *, attempts: int | None = None) -> None:
    """Set the stages of a flow run that has ended; one that crashed because the run was cancelled is Cancelled, too.

    Where the run has been taken up again, those of its first `attempts` only.
    """
    stays = KEPT if state == "CANCELLED" else ENDED
    for task_run in find_runs(address, "task_runs", flow_runs={"id": {"any_": [flow_run]}}):
        is_over = attempts is None or (task_run.flow_run_run_count or attempts + 1) <= attempts
        if is_over and task_run.state_type not in stays:
            set_state(address, "task_runs", task_run.id, state, words, force=True)


def _settle(path: Path, file: IO[str], server: str | None) -> bool:
    """Whether the run of a dead process was set; its file goes when nothing is left to do."""
    file.seek(0)
    try:
        live = LiveRun.model_validate_json(file.read())
    except ValueError:  # its process died while it wrote
        path.unlink(missing_ok=True)
        return False
    is_known = False
    for address in dict.fromkeys(filter(None, (live.server, server))):
        try:
            found = read_flow_run(address, live.flow_run)
        except OSError as error:
            tell_once(f"The run {live.flow_run} cannot be looked up", error)
            is_known = is_known or datetime.now(UTC) - live.holder.since < FORGOTTEN_AFTER  # it may come back
            continue
        if found is None:
            continue
        marked = _mark(address, live, found)
        path.unlink(missing_ok=True)
        return marked
    if not is_known:
        path.unlink(missing_ok=True)
    return False


def _cancel_dispatched(address: str, flow_run: str) -> None:
    """End what the run has started elsewhere: nobody waits for it, and it holds an accelerator."""
    unfinished = {"tags": {"all_": [parent_tag(flow_run)]}, "state": {"type": {"not_any_": list(ENDED)}}}
    for child in find_runs(address, "flow_runs", flow_runs=unfinished):
        if child.state_type != "CANCELLING":
            set_state(address, "flow_runs", child.id, "CANCELLING", "The run that dispatched it is gone.", force=False)


def _mark(address: str, live: LiveRun, found: FoundRun) -> bool:
    """Set task runs first, so that a crash in between leaves the flow run to be found again."""
    words = f"The process of {live.holder} is gone."
    if found.run_count > live.run_count:  # another process has taken it up since
        end_stages(address, live.flow_run, "CRASHED", words, attempts=live.run_count)
        return False
    at_work = found.state_type in AT_WORK
    if not at_work and found.state_type not in ENDED:
        return False
    _cancel_dispatched(address, live.flow_run)
    state = "CANCELLED" if found.state_type in CANCELLED else "CRASHED"
    end_stages(address, live.flow_run, state, words)
    if at_work:
        set_state(address, "flow_runs", live.flow_run, state, words, force=True)
    return at_work
