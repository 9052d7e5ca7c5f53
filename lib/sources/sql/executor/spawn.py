"""A worker process as the pool holds it: its start, its socket, the queries that it has been given."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lib.sources.sql.executor import worker
from lib.sources.sql.executor.frames import (
    FORGET,
    HEAD_BYTES,
    BadFrameError,
    frame,
    read_reply,
    take_frames,
    write_request,
)
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.result import DatabaseFile, Result

PROJECT = Path(__file__).resolve().parents[4]
# Isolated: neither the environment nor the working directory says what is imported.
SCRIPT = f"import sys; sys.path.append({str(PROJECT)!r}); from {worker.__name__} import main; main()"
# A second arena would take up 64 MB of address space for each thread, of which DuckDB has several.
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1"}
# A worker interrupts its query at the limit; one that has not replied this long after it is killed.
GRACE_S = 0.5
# Starting takes 0.2 s on an idle machine.
START_S = 60.0
# Queries given to a worker beyond the one that it runs, so that it needs not wait for the pool between two short
# ones; a worker whose last query was no short one gets the next when it is free.
MOST_AHEAD = 32
SHORT_S = worker.SHORT_S
# What was given to a worker ahead is taken back when the query before it takes this long.
PATIENCE_S = 0.02
RECEIVE_BYTES = 1 << 20


@dataclass
class Request:
    """A query that waits or runs; `done` takes its result, once, on the pool's thread."""

    database: DatabaseFile
    sql: str
    limits: Limits
    done: Callable[[Result], None]


class WorkerProcess:
    """One worker; used by the pool's thread only."""

    def __init__(self, memory_bytes: int):
        self.connection, theirs = socket.socketpair()
        descriptor = theirs.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", SCRIPT, str(descriptor), str(os.getpid()), str(memory_bytes)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(descriptor,),
            env=ENVIRONMENT,
            start_new_session=True,  # a Ctrl-C at the terminal is the pool's to handle
        )
        theirs.close()
        self.connection.setblocking(False)
        self.ready = False
        self.given: deque[Request] = deque()
        self.databases: set[DatabaseFile] = set()
        self._greatest_reply = HEAD_BYTES
        self._room = 1
        self._forgetting_s: float | None = None  # the longest limit among what it is to forget
        self._began = time.monotonic()
        self._incoming = bytearray()
        self._outgoing = bytearray()

    @property
    def has_room(self) -> bool:
        return self.ready and self._forgetting_s is None and len(self.given) < self._room

    @property
    def wants_to_send(self) -> bool:
        return bool(self._outgoing)

    @property
    def deadline(self) -> float | None:
        """When this worker is overdue; None while nothing is expected of it."""
        if not self.ready:
            return self._began + START_S
        seconds = self.given[0].limits.seconds if self.given else self._forgetting_s
        return None if seconds is None else self._began + seconds + GRACE_S

    @property
    def losing_patience(self) -> float | None:
        """When the queries behind the one that runs are taken back; None without such queries."""
        return self._began + PATIENCE_S if len(self.given) > 1 else None

    def take_back(self) -> list[Request]:
        """The queries behind the one that runs; the worker gets no other until it has said that it forgot them."""
        taken = list(self.given)[1:]
        self.given = deque([self.given[0]])
        self._forgetting_s = max(request.limits.seconds for request in taken)
        self._outgoing += frame(FORGET)
        return taken

    def give(self, request: Request) -> None:
        if not self.given:
            self._began = time.monotonic()
        self.given.append(request)
        self.databases.add(request.database)
        self._greatest_reply = max(self._greatest_reply, HEAD_BYTES + request.limits.num_bytes)
        self._outgoing += write_request(request.database, request.sql, request.limits)

    def send(self) -> None:
        """Sends what the socket takes."""
        try:
            while self._outgoing:
                del self._outgoing[: self.connection.send(self._outgoing)]
        except BlockingIOError:
            return

    def receive(self) -> tuple[list[tuple[Request, Result]], bool]:
        """The queries that are answered, and whether the worker goes on; raises BadFrameError for nonsense."""
        try:
            received = self.connection.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return [], True
        except OSError:
            received = b""
        self._incoming += received
        answered, goes_on = [], bool(received)
        for body in take_frames(self._incoming, self._greatest_reply):
            if body == FORGET:
                self._forgetting_s = None
                continue
            result, leaving = read_reply(body)
            self._began = time.monotonic()
            if not self.ready:
                self.ready = True
                continue
            if not self.given and self._forgetting_s is not None:
                continue  # begun before the worker heard that it was to forget this query
            if not self.given:
                raise BadFrameError("a reply that nobody asked for")
            answered.append((self.given.popleft(), result))
            self._room = min(2 * self._room, MOST_AHEAD) if result.seconds < SHORT_S else 1
            goes_on = goes_on and not leaving
        return answered, goes_on

    def kill(self) -> None:
        self.process.kill()
        self.connection.close()

    def last_words(self) -> str:
        """What a worker that did not start printed."""
        try:
            return self.process.communicate(timeout=5)[1].decode(errors="replace").strip()
        except subprocess.TimeoutExpired:
            return ""
