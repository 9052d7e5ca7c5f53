"""The process that runs queries: one after another, each within its limits; see `pool` for the other side.

Started as `python -I -c ... SOCKET PARENT MEMORY_BYTES` by `spawn`; it imports the two drivers and nothing heavy.
Its first frame says that it is ready.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections import deque

import duckdb

from lib.sources.sql.executor import confinement
from lib.sources.sql.executor.collect import Collection, TimeUp
from lib.sources.sql.executor.frames import FORGET, frame, read_request, take_frames, write_reply
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.result import DatabaseFile, ErrorKind, Result, failed
from lib.sources.sql.executor.session import Refusal, Session
from lib.sources.sql.executor.sessions import Sessions
from lib.sources.sql.executor.watchdog import Watchdog

RECEIVE_BYTES = 1 << 18
GREATEST_REQUEST = 64 << 20
# Beside what a database may use: the rows as Python values and as JSON, stacks, and what an allocator keeps.
MEMORY_BESIDE = 256 << 20
# After a query of this length, what was given behind it may have been taken back.
SHORT_S = 0.005
# Short queries between two looks at the memory, which take as long as a short query in SQLite.
LOOK_EVERY = 64


class Worker:
    """Sessions, a watchdog, and one query at a time."""

    def __init__(self, memory_bytes: int):
        self._sessions = Sessions(memory_bytes)
        self._memory_bytes = memory_bytes
        self._resident_at_start = confinement.resident_bytes()
        self._watchdog = Watchdog()
        self._session: Session | None = None
        self._answers = 0
        self.leaving = False

    def answer(self, database: DatabaseFile, sql: str, limits: Limits) -> bytes:
        """The reply to one query, whatever happens in it."""
        started = time.perf_counter()
        collection = Collection(limits)
        columns: list[str] = []
        self._watchdog.arm(limits.seconds, self._interrupt)
        try:
            self._session = self._sessions.get(database)
            columns = self._session.execute(sql)
            collection.fill(self._session.fetch, lambda: self._watchdog.fired)
            error = None
        except Exception as raised:  # the boundary: a driver's exception of any type is the query's outcome
            error = raised
        finally:
            self._watchdog.disarm()
        if error is not None and collection.cut and self._watchdog.fired and not isinstance(error, Refusal):
            collection.stop_counting()  # enough rows came in time; only their number is unknown
            error = None
        result = self._result(columns, collection, error, time.perf_counter() - started)
        self._finish(database, result.seconds)
        if result.error is None:
            return write_reply(result, collection.json())
        # After a lack of memory, and in a database that calls itself broken, nothing is taken for sound any more.
        self.leaving = result.error.kind is ErrorKind.MEMORY or isinstance(error, duckdb.FatalException)
        return write_reply(result, leaving=self.leaving)

    def _result(self, columns: list[str], collection: Collection, error: Exception | None, seconds: float) -> Result:
        if error is None:
            return Result(tuple(columns), num_rows=collection.num_rows, truncated=collection.cut, seconds=seconds)
        message = str(error) or type(error).__name__
        if self._watchdog.fired or isinstance(error, TimeUp):
            return failed(ErrorKind.TIME, message, seconds)
        if isinstance(error, Refusal):
            return failed(error.kind, message, seconds)
        if isinstance(error, MemoryError) or "bad alloc" in message or "bad_alloc" in message:
            return failed(ErrorKind.MEMORY, "out of memory" if message == "MemoryError" else message, seconds)
        return failed(self._session.kind_of(error) if self._session else ErrorKind.EXECUTION, message, seconds)

    def _finish(self, database: DatabaseFile, seconds: float) -> None:
        """Ends the query; what databases keep in memory for the next queries stays below half of what is allowed."""
        session, self._session = self._session, None
        if session is not None:
            try:
                session.finish()
            except Exception:  # a session that does not let go of its query is not used again
                self._sessions.drop(database)
        self._answers += 1
        if seconds < SHORT_S and self._answers % LOOK_EVERY:
            return
        if confinement.resident_bytes() - self._resident_at_start > self._memory_bytes // 2:
            self._sessions.drop_all()

    def _interrupt(self) -> None:
        session = self._session
        if session is not None:
            session.interrupt()


def serve(connection: socket.socket, memory_bytes: int) -> None:
    """Answers requests until the parent closes the connection or the worker had better end."""
    worker = Worker(memory_bytes)
    confinement.bound_resources(memory_bytes + MEMORY_BESIDE)
    connection.sendall(write_reply(Result()))
    confinement.silence()
    buffer, waiting = bytearray(), deque()
    while not worker.leaving and (received := connection.recv(RECEIVE_BYTES)):
        buffer += received
        waiting.extend(take_frames(buffer, GREATEST_REQUEST))
        while waiting and not worker.leaving:
            body = waiting.popleft()
            if body == FORGET:
                connection.sendall(frame(FORGET))
                continue
            started = time.monotonic()
            answer = worker.answer(*read_request(body))
            if time.monotonic() - started > SHORT_S:
                # Before the answer goes out: until then the parent takes this query for the one that runs, so what
                # it says to forget never includes one that it waits for.
                _look_for_a_change_of_mind(connection, buffer, waiting)
            connection.sendall(answer)


def _look_for_a_change_of_mind(connection: socket.socket, buffer: bytearray, waiting: deque[bytes]) -> None:
    """Drops what waited behind a query that was not short, if the parent has given it to others meanwhile."""
    try:
        buffer += connection.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return
    waiting.extend(take_frames(buffer, GREATEST_REQUEST))
    while FORGET in waiting and waiting[0] != FORGET:
        waiting.popleft()


def main() -> None:
    descriptor, parent, memory_bytes = map(int, sys.argv[1:])
    confinement.die_with(parent)
    confinement.leave_the_network()
    confinement.leave_the_folder()
    confinement.drop_rights()
    duckdb.connect(":memory:").close()  # loads what the first database would load
    serve(socket.socket(fileno=descriptor), memory_bytes)
    os._exit(0)  # databases that were only read need no closing
