"""Database files opened for reading their schema and statistics, with a limit of time on every query.

In: the path of a SQLite or DuckDB file. Out: a connection that can only read, in words that are the same for both.
Files are recognised by their first bytes, whatever their name. Queries of an agent do not run here.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import duckdb

from lib.errors import SourceError
from lib.sources.sql.schema import Dialect

ROWS_AT_ONCE = 2_000  # long texts of so many rows fit in memory
STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine; well under a millisecond, so a limit holds to the millisecond
LONGEST_QUERY = 10.0  # seconds; what counts one table of ten million rows


class UnreadableError(Exception):
    """A query that failed or took too long; the rest of the database can still be read."""


class Connection(Protocol):
    dialect: Dialect

    def batches(self, query: str, *, seconds: float) -> Iterator[list[tuple]]: ...

    def close(self) -> None: ...


def fetch(connection: Connection, query: str, *, seconds: float = LONGEST_QUERY) -> list[tuple]:
    return [row for batch in connection.batches(query, seconds=seconds) for row in batch]


@contextmanager
def open_database(path: Path) -> Iterator[Connection]:
    """Raises SourceError for a file that is missing, damaged, locked or no database."""
    opened = SqliteConnection(path) if recognise(path) is Dialect.SQLITE else DuckdbConnection(path)
    try:
        yield opened
    except UnreadableError as error:  # of the catalogue itself, without which nothing can be read
        raise _damaged(path, error) from error
    finally:
        opened.close()


def recognise(path: Path) -> Dialect:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise SourceError(
            f"The database cannot be read: {error.strerror}.", where=str(path), next_step="Check the path."
        ) from error
    if start == b"SQLite format 3\0":
        return Dialect.SQLITE
    if start[8:12] == b"DUCK":
        return Dialect.DUCKDB
    raise SourceError(
        "The file is empty." if not start else "The file is neither a SQLite nor a DuckDB database.",
        where=str(path),
        next_step="Check that the file is whole; a database that is encrypted must be decrypted first.",
    )


class SqliteConnection:
    """A SQLite file, read-only and immutable: no lock is taken and nothing is written beside it."""

    dialect = Dialect.SQLITE

    def __init__(self, path: Path):
        self._path = path
        self._deadline = float("inf")
        self._refuse_unfinished()
        # Only an absolute path is a path in a URI; a name may have '?' or '#'.
        uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        self._connection.text_factory = lambda text: text.decode("utf-8", "replace")
        self._connection.set_progress_handler(lambda: time.monotonic() > self._deadline, STEPS_BETWEEN_LOOKS)
        self._connection.execute("PRAGMA trusted_schema = OFF")  # a view may call no function with side effects

    def _refuse_unfinished(self) -> None:
        """An immutable file is read without its log, so what stands there only would be missing."""
        for suffix in ("-wal", "-journal"):
            beside = self._path.with_name(self._path.name + suffix)
            if beside.exists() and beside.stat().st_size:
                raise SourceError(
                    "The database is being written, or was not closed.",
                    where=str(self._path),
                    kept=f"Nothing was changed; {beside.name} holds what is not yet in the file.",
                    next_step="Close the program that writes it, or open and close it once with sqlite3.",
                )

    def batches(self, query: str, *, seconds: float) -> Iterator[list[tuple]]:
        self._deadline = time.monotonic() + seconds
        try:
            cursor = self._connection.execute(query)
            while batch := cursor.fetchmany(ROWS_AT_ONCE):
                yield batch
        except sqlite3.Error as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR):
                raise _damaged(self._path, error) from error
            reason = "it takes too long" if code == sqlite3.SQLITE_INTERRUPT else str(error)
            raise UnreadableError(reason) from error
        except UnicodeDecodeError as error:  # names of columns do not pass through the text factory
            raise UnreadableError("the name of a column is no UTF-8") from error
        finally:
            self._deadline = float("inf")

    def close(self) -> None:
        self._connection.close()


class DuckdbConnection:
    """A DuckDB file, read-only and without a way to other files."""

    dialect = Dialect.DUCKDB

    def __init__(self, path: Path):
        self._path = path
        # One thread, so that rows come in the same order each time.
        config = {"enable_external_access": "false", "threads": "1"}
        try:
            self._connection = duckdb.connect(str(path), read_only=True, config=config)
        except duckdb.ConnectionException as error:
            raise SourceError(
                "The database is open in this program already, with other settings.",
                where=str(path),
                kept=f"Nothing was changed. DuckDB says: {_first_line(error)}",
                next_step="Close the other connection first.",
            ) from error
        except duckdb.Error as error:
            if "Could not set lock" in str(error):
                raise SourceError(
                    "The database is open for writing in another program.",
                    where=str(path),
                    kept=f"Nothing was changed. DuckDB says: {_first_line(error)}",
                    next_step="Close that program, or give a copy of the file.",
                ) from error
            raise _damaged(path, error) from error

    def batches(self, query: str, *, seconds: float) -> Iterator[list[tuple]]:
        timer = threading.Timer(seconds, self._connection.interrupt)
        timer.start()
        try:
            cursor = self._connection.execute(query)
            while batch := cursor.fetchmany(ROWS_AT_ONCE):
                yield batch
        except duckdb.InterruptException as error:
            raise UnreadableError("it takes too long") from error
        except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException) as error:
            raise _damaged(self._path, error) from error
        except duckdb.Error as error:
            raise UnreadableError(_first_line(error)) from error
        finally:
            timer.cancel()

    def close(self) -> None:
        self._connection.close()


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"The database is damaged: {_first_line(error)}",
        where=str(path),
        kept="Nothing was changed.",
        next_step="Take a whole copy of the file; sqlite3's .recover saves what is left of a SQLite file.",
    )


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]
