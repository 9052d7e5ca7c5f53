"""The databases that a worker holds open, the least recently used one closed first."""

from __future__ import annotations

import os
from collections import OrderedDict

from lib.sources.sql.executor.duckdb_session import DuckDBSession
from lib.sources.sql.executor.result import DatabaseFile, ErrorKind
from lib.sources.sql.executor.session import Refusal, Session
from lib.sources.sql.executor.sqlite_session import SQLiteSession

DIALECTS = {"duckdb": DuckDBSession, "sqlite": SQLiteSession}
# DuckDB needs about 20 ms and two megabytes for a file, and each counts against the open files.
MOST_OPEN = 16

Stamp = tuple[int, int, int, int]


class Sessions:
    """Open databases by path; one that was replaced on disk is opened anew."""

    def __init__(self, memory_bytes: int):
        self._memory_bytes = memory_bytes
        self._open: OrderedDict[DatabaseFile, tuple[Stamp, Session]] = OrderedDict()

    def get(self, database: DatabaseFile) -> Session:
        """The session, opened when needed; raises Refusal of kind DATABASE when it does not open."""
        try:
            stamp = _stamp(database.path)
        except (OSError, ValueError) as error:
            raise Refusal(f"The database cannot be read: {error}.", ErrorKind.DATABASE) from error
        known = self._open.get(database)
        if known and known[0] == stamp:
            self._open.move_to_end(database)
            return known[1]
        self.drop(database)
        while len(self._open) >= MOST_OPEN:
            self.drop(next(iter(self._open)))
        session = _open(database, self._memory_bytes)
        self._open[database] = (stamp, session)
        return session

    def drop(self, database: DatabaseFile) -> None:
        """Closes the database, if it is open."""
        known = self._open.pop(database, None)
        if known:
            known[1].close()

    def drop_all(self) -> None:
        for database in list(self._open):
            self.drop(database)


def _open(database: DatabaseFile, memory_bytes: int) -> Session:
    try:
        return DIALECTS[database.dialect](database.path, memory_bytes)
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # whatever a driver says of a file that is no sound database
        raise Refusal(str(error), ErrorKind.DATABASE) from error


def _stamp(path: str) -> Stamp:
    status = os.stat(path)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
