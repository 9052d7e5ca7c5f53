"""Rows of a running query -> JSON within the limits, and how many rows there were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lib.sources.sql.executor import cells
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.result import ErrorKind
from lib.sources.sql.executor.session import Refusal

# The first fetch holds most answers and is small enough for rows of a megabyte each; the others are for speed.
FIRST_FETCH = 64
NEXT_FETCH = 1024


class TimeUp(Exception):
    """The time ended between two fetches."""


class Collection:
    """The rows that fit the limits, and the count of those that came."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._parts: list[bytes] = []
        self._num_bytes = 0
        self._num_kept = 0
        self.num_rows: int | None = 0
        self.cut = False

    def fill(self, fetch: Callable[[int], list[tuple[Any, ...]]], time_is_up: Callable[[], bool]) -> None:
        """Fetches until the query ends or enough is counted."""
        size = FIRST_FETCH
        while rows := fetch(size):
            self.num_rows += len(rows)
            if not self.cut:
                self._keep(rows)
            if self.cut and self.num_rows > self._limits.counted_rows:
                self.num_rows = None
                return
            if time_is_up():
                raise TimeUp("Interrupted: the time for this query is over.")
            if len(rows) < size:
                return
            size = NEXT_FETCH

    def stop_counting(self) -> None:
        self.num_rows = None

    def json(self) -> bytes:
        """The inside of a JSON array."""
        return b",".join(self._parts)

    def _keep(self, rows: list[tuple[Any, ...]]) -> None:
        wanted = rows[: self._limits.rows - self._num_kept]
        self.cut = len(wanted) < len(rows)
        if not wanted:
            return
        text = cells.dump_rows(wanted)
        if self._num_bytes + len(text) <= self._limits.num_bytes:
            self._add(text, len(wanted))
            return
        self.cut = True
        for row in wanted:
            text = cells.dump_rows([row])
            if self._num_bytes + len(text) > self._limits.num_bytes:
                break
            self._add(text, 1)
        if not self._num_kept:
            raise Refusal(
                f"A row takes {len(text)} bytes where {self._limits.num_bytes} are the most for all rows.",
                ErrorKind.BYTES,
            )

    def _add(self, text: bytes, num_rows: int) -> None:
        self._parts.append(text)
        self._num_bytes += len(text) + 1
        self._num_kept += num_rows
