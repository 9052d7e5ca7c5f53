"""What the two kinds of sessions have in common: their shape, and their word for what they do not run."""

from __future__ import annotations

from typing import Any, Protocol

from lib.sources.sql.executor.result import ErrorKind


class Refusal(Exception):
    """A statement that is not run; the message goes to whoever asked."""

    def __init__(self, message: str, kind: ErrorKind = ErrorKind.REFUSED):
        super().__init__(message)
        self.kind = kind


class Session(Protocol):
    """An open database file on which one query at a time runs; nothing of a query stays for the next one."""

    def execute(self, sql: str) -> list[str]:
        """Starts the query; returns the names of its columns."""

    def fetch(self, size: int) -> list[tuple[Any, ...]]:
        """The next rows, at most `size`; none at the end."""

    def interrupt(self) -> None:
        """Ends the query soon; called from another thread, also before it begins and after it ended."""

    def finish(self) -> None:
        """Lets go of the query, however it ended."""

    def close(self) -> None: ...

    def kind_of(self, error: Exception) -> ErrorKind:
        """The kind of an exception that the driver raised."""
