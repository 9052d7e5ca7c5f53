"""Which failures of a stage may go away by themselves, and how it is then tried again.

The pauses double from the first on; each is drawn anew around its length, so that runs that failed
together do not come back together.
"""

from __future__ import annotations

import errno
from typing import Any

import httpx
from prefect import Task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import exponential_backoff

from lib.errors import EndpointAwayError, OutOfMemoryError, WorkerLostError

RETRIES = 3
PAUSES = exponential_backoff(2)  # 2, 4 and 8 s
JITTER = 1.0  # a pause lasts up to twice its length

# Of files on a network or on a busy machine, and of connections. A full disk, a missing file or
# a lack of rights stays as it is until somebody mends it.
PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOLCK,
        errno.EREMOTEIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


def may_go_away(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether Prefect is to try a failed stage again."""
    return is_transient(state.result(raise_on_failure=False, _sync=True))


def is_transient(error: Any) -> bool:
    """By kind: connections, files that are away for a moment, endpoints, and memory where less of it may do."""
    if isinstance(error, OutOfMemoryError):
        return not error.had_less
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno in PASSING
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, EndpointAwayError | WorkerLostError | httpx.TransportError)
