"""One process at a time for one thing, and who that is; the kernel frees the lock of a process that dies.

A holder signs the lock file, so that whoever waits can say for whom. The words in it mean nothing
once the lock is free: a process that was killed leaves them behind.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from lib.store.manifest import Record

POLL_S = 0.25
# A holder signs right after it got the lock; one that has not by then is of a version that does not sign.
UNSIGNED_AFTER_S = 1.0


class Holder(Record):
    """Who holds a lock."""

    host: str
    pid: int
    since: datetime
    run: str = ""  # the name of the flow run, if it has one

    @classmethod
    def this_process(cls, run: str = "") -> Holder:
        return cls(host=socket.gethostname(), pid=os.getpid(), since=datetime.now(UTC), run=run)

    def __str__(self) -> str:
        return f"{f'run {self.run}' if self.run else 'another run'} ({self.process})"

    @property
    def process(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since.astimezone():%Y-%m-%d %H:%M:%S}"


Told = Callable[[Holder | None], None]


def tell_nobody(holder: Holder | None) -> None:
    return None


@contextmanager
def exclusive(path: Path, *, run: str = "", on_wait: Told = tell_nobody) -> Iterator[None]:
    """Hold the lock file at `path`, signed; `on_wait` hears each holder that is waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _acquire(path, on_wait) as file:
        with suppress(OSError):  # on a full disk the lock still holds
            sign(file, run)
        try:
            yield
        finally:
            file.truncate(0)


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the lock file beside others that share it; whoever wants it alone waits, and is waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def try_exclusive(path: Path) -> IO[str] | None:
    """The locked file, which frees the lock when it is closed; None where somebody else holds it."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if _is_at(file, path):
        return file
    file.close()
    return None


def sign(file: IO[str], run: str) -> None:
    """Write down who holds the file's lock, past the file's buffer: on a full disk it would fail again when closed."""
    os.ftruncate(file.fileno(), 0)
    os.write(file.fileno(), f"{Holder.this_process(run).model_dump_json()}\n".encode())


def read_holder(path: Path) -> Holder | None:
    """Who signed the lock file last."""
    try:
        return Holder.model_validate_json(path.read_text().partition("\n")[0])
    except (OSError, ValidationError):
        return None


def _acquire(path: Path, on_wait: Told) -> IO[str]:
    started, told = time.monotonic(), False
    known: Holder | None = None
    while (file := try_exclusive(path)) is None:
        holder = read_holder(path)
        is_late = time.monotonic() - started > UNSIGNED_AFTER_S
        if (holder != known) if holder else (is_late and not told):
            on_wait(holder)
            known, told = holder, True
        time.sleep(POLL_S)
    return file


def _is_at(file: IO[str], path: Path) -> bool:
    """Whether the file still has its name: one that was removed while it was opened locks nothing."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
