"""An SQLite file opened so that a query can only read it.

The file is opened read-only and immutable, and an authorizer lets through nothing but selecting, reading, functions
and the pragmas that describe the schema. EXPLAIN passes: it runs nothing. A write-ahead log or journal beside the file
holds changes that an immutable database does not see, so such a file is refused until its writer has finished.
"""

from __future__ import annotations

import os
import re
import sqlite3
from typing import Any
from urllib.parse import quote

from lib.sources.sql.executor.result import ErrorKind
from lib.sources.sql.executor.session import Refusal

PRAGMAS = frozenset(
    "table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list function_list".split()
)
# What full-text tables ask of themselves; allowed without a value only.
PRAGMAS_WITHOUT_VALUE = frozenset(("data_version", "page_size"))
# The first hands out addresses of memory and takes them as code; the other two leave the database.
REFUSED_FUNCTIONS = frozenset(("fts3_tokenizer", "load_extension", "sqlite_log"))
# It shows the text of other statements of the connection.
REFUSED_TABLES = frozenset(("sqlite_stmt",))
# The longest text or blob, and with it what replace(), printf() and zeroblob() can make at one go: such a call is
# not interruptible. Patterns of LIKE and GLOB cost as much as length to the power of their wildcards.
LENGTHS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 16 << 20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 1 << 20,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 500,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 200,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 1_000_000,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
KINDS = {
    "SQLITE_INTERRUPT": ErrorKind.TIME,
    "SQLITE_NOMEM": ErrorKind.MEMORY,
    "SQLITE_TOOBIG": ErrorKind.MEMORY,
    "SQLITE_AUTH": ErrorKind.REFUSED,
    "SQLITE_READONLY": ErrorKind.REFUSED,
    "SQLITE_NOTADB": ErrorKind.DATABASE,
    "SQLITE_CORRUPT": ErrorKind.DATABASE,
    "SQLITE_IOERR": ErrorKind.DATABASE,
    "SQLITE_CANTOPEN": ErrorKind.DATABASE,
    "SQLITE_BUSY": ErrorKind.DATABASE,
}
WORDS = (
    (r"no such (table|column|function|index|module|collation)|ambiguous column|no table named", ErrorKind.UNKNOWN_NAME),
    (r"syntax error|incomplete input|unrecognized token|unterminated", ErrorKind.SYNTAX),
    (r"not authorized|prohibited|may not be modified|one statement at a time|readonly", ErrorKind.REFUSED),
    (r"too large|too many|stack overflow|too big|too complex", ErrorKind.REFUSED),
    (
        r"wrong number|misuse|number of result columns|circular|must|cannot|may not|without|not allowed",
        ErrorKind.INVALID,
    ),
)

_COMMENT = re.compile(r"--[^\n]*|/\*.*?(\*/|$)", re.DOTALL)


class SQLiteSession:
    """An open SQLite file; see the module for what it lets through."""

    def __init__(self, path: str, memory_bytes: int):
        for suffix in ("-wal", "-journal"):
            if os.path.exists(path + suffix) and os.path.getsize(path + suffix):
                raise Refusal(f"Unfinished changes lie beside the database, in {path}{suffix}.", ErrorKind.DATABASE)
        self._database = sqlite3.connect(
            f"file:{quote(path)}?mode=ro&immutable=1",
            uri=True,
            isolation_level=None,
            check_same_thread=False,  # the watchdog interrupts from its thread
            cached_statements=0,
        )
        self._database.execute("PRAGMA temp_store=MEMORY")
        self._database.execute(f"PRAGMA hard_heap_limit={memory_bytes}")
        self._database.execute("PRAGMA schema_version")  # reads the file's head: tells now what is no database
        for limit, length in LENGTHS.items():
            self._database.setlimit(limit, length)
        self._database.set_authorizer(_authorize)
        self._cursor: sqlite3.Cursor | None = None

    def execute(self, sql: str) -> list[str]:
        """Starts the query; returns the names of its columns."""
        self._database.text_factory = str
        self._sql = sql.rstrip("; \t\r\n")
        self._fetched = 0
        self._cursor = self._start()
        if self._cursor.description is None:
            if _COMMENT.sub("", sql).strip("; \t\r\n"):
                raise Refusal("Only statements that return rows are run.")
            raise Refusal("There is no statement.", ErrorKind.SYNTAX)
        return [column[0] for column in self._cursor.description]

    def fetch(self, size: int) -> list[tuple[Any, ...]]:
        """The next rows, at most `size`; none at the end."""
        try:
            rows = self._cursor.fetchmany(size)
        except sqlite3.OperationalError as error:
            if "decode" not in str(error) or self._database.text_factory is not str:
                raise
            rows = self._fetch_again(size)
        self._fetched += len(rows)
        return rows

    def interrupt(self) -> None:
        self._database.interrupt()

    def finish(self) -> None:
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.close()

    def close(self) -> None:
        self._database.close()

    @staticmethod
    def kind_of(error: Exception) -> ErrorKind:
        if isinstance(error, UnicodeError):
            return ErrorKind.SYNTAX
        name = getattr(error, "sqlite_errorname", None) or ""
        kind = next((kind for prefix, kind in KINDS.items() if name.startswith(prefix)), None)
        if kind is None:
            found = (kind for words, kind in WORDS if re.search(words, str(error)))
            kind = next(found, ErrorKind.EXECUTION)
        return kind

    def _start(self) -> sqlite3.Cursor:
        try:
            return self._database.execute(self._sql)
        except sqlite3.OperationalError as error:
            # The first row is fetched by `execute`, so its text is decoded there.
            if "decode" not in str(error) or self._database.text_factory is not str:
                raise
            self._database.text_factory = _decode_leniently
            return self._database.execute(self._sql)

    def _fetch_again(self, size: int) -> list[tuple[Any, ...]]:
        """The query from its beginning, with bytes that are no UTF-8 left out of text as Spider's evaluator does."""
        self._database.text_factory = _decode_leniently
        self._cursor = self._start()
        if self._fetched:  # fetchmany(0) fetches everything
            self._cursor.fetchmany(self._fetched)
        return self._cursor.fetchmany(size)


def _decode_leniently(text: bytes) -> str:
    return text.decode(errors="ignore")


def _authorize(action: int, first: str | None, second: str | None, schema: str | None, _trigger: str | None) -> int:
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
        allowed = True
    elif action == sqlite3.SQLITE_READ:
        allowed = first not in REFUSED_TABLES
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = second.lower() not in REFUSED_FUNCTIONS
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = first.lower() in PRAGMAS or (first.lower() in PRAGMAS_WITHOUT_VALUE and second is None)
    else:
        # Table functions such as json_each declare themselves by what looks like a change of the schema's table;
        # a statement that means it fails, for the file is read-only and the table not writable.
        allowed = action == sqlite3.SQLITE_UPDATE and first == "sqlite_master"
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
