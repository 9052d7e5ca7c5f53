"""Which drawn requests are worth asking: those whose query runs, says something, and hangs on its parts and the data.

In: requests with their queries. Out: for each the reason to leave it out, or its result. Queries of all requests go to
the executor together, stage by stage, so that its workers never wait for this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile, ErrorKind, Result
from lib.sources.sql.results.compare import same_result
from lib.sources.sql.schema import Database
from lib.synthesis.sql.copies import Copies
from lib.synthesis.sql.request import Asked, Request
from lib.synthesis.sql.to_sql import write_sql

MAX_ROWS = 100  # more rows are no answer that somebody reads
SECONDS = 1.0
STAGES = ("runs", "parts", "data")
LIMITS = Limits(seconds=SECONDS, rows=MAX_ROWS + 1)
REASONS = {
    ErrorKind.TIME: "takes too long",
    ErrorKind.MEMORY: "takes too much memory",
    ErrorKind.BYTES: "gives too much",
}


@dataclass(frozen=True)
class Checked:
    """A request that came through, or why it did not."""

    asked: Asked
    sql: str
    result: Result
    stage: str = ""  # the one of STAGES that it did not pass
    reason: str = ""


class Checker:
    """Checks requests for one database."""

    def __init__(self, database: Database, copies: Copies, pool: Pool):
        self._database, self._copies, self._pool = database, copies, pool

    def check(self, requests: Sequence[Asked]) -> list[Checked]:
        """One entry a request, in their order."""
        dialect = self._database.dialect
        queries = [write_sql(asked, dialect) for asked in requests]
        results = self._run([(self._database.path, sql) for sql in queries])
        checked = [
            Checked(asked, sql, result, *(("runs", fault) if (fault := _fault(asked, result)) else ()))
            for asked, sql, result in zip(requests, queries, results, strict=True)
        ]
        for stage, look in (("parts", self._look_at_parts), ("data", self._look_at_copies)):
            left = [place for place, item in enumerate(checked) if not item.reason]
            for place, reason in zip(left, look([checked[place] for place in left]), strict=True):
                if reason:
                    checked[place] = replace(checked[place], stage=stage, reason=reason)
        return checked

    def _look_at_parts(self, items: Sequence[Checked]) -> list[str]:
        """A part without which the result is the same would ask for something that the question does not need."""
        parts = [(place, name, part) for place, item in enumerate(items) for name, part in item.asked.without_parts()]
        queries = [(self._database.path, write_sql(part, self._database.dialect)) for _, _, part in parts]
        reasons = [""] * len(items)
        for (place, name, _), result in zip(parts, self._run(queries), strict=True):
            if result.ok and same_result(items[place].result, result):
                reasons[place] = reasons[place] or f"idle {name.split()[0]}"
        return reasons

    def _look_at_copies(self, items: Sequence[Checked]) -> list[str]:
        """The same rows in another order must not matter; other rows must, on one of the copies at least."""
        reasons = [""] * len(items)
        for file in self._copies.reordered:
            left = [place for place, reason in enumerate(reasons) if not reason]
            for place, other in self._on_copy(file, items, left):
                if not other.ok or not same_result(items[place].result, other, ordered=items[place].asked.ordered):
                    reasons[place] = "left to chance"
        unmoved = [place for place, reason in enumerate(reasons) if not reason]
        for file in self._copies.perturbed:  # the first copy moves nearly all of them
            unmoved = [
                place
                for place, other in self._on_copy(file, items, unmoved)
                if other.ok and same_result(items[place].result, other)
            ]
        for place in unmoved:
            reasons[place] = "does not depend on the data"
        return reasons

    def _on_copy(self, file: Path, items: Sequence[Checked], places: Sequence[int]) -> list[tuple[int, Result]]:
        return list(zip(places, self._run([(file, items[place].sql) for place in places]), strict=True))

    def _run(self, queries: Sequence[tuple[Path, str]]) -> list[Result]:
        files = [(DatabaseFile(self._database.dialect, str(path)), sql) for path, sql in queries]
        return self._pool.run_many(files, LIMITS)


def _fault(asked: Asked, result: Result) -> str:
    """What is wrong with a result by itself."""
    if result.error:
        return REASONS.get(result.error.kind, "does not run")
    if not result.rows:
        return "no rows"
    if result.num_rows is None or result.num_rows > MAX_ROWS:
        return "too many rows"
    if all(value is None for row in result.rows for value in row):
        return "nothing but NULL"
    if isinstance(asked, Request):
        if _is_count(asked) and result.rows[0][0] in (0, 1):
            return "counts one or none"
        if _is_whole_table(asked, result):
            return "the whole table"
        if asked.order and not asked.limit and len(result.rows) == 1:
            return "one row in order"
    return ""


def _is_count(asked: Request) -> bool:
    return not asked.groups and [measure.function for measure in asked.measures] == ["count"]


def _is_whole_table(asked: Request, result: Result) -> bool:
    """Every row of the base table, at most in another order."""
    has_rows = bool(asked.columns) and not asked.distinct and not asked.best and asked.limit is None
    return has_rows and result.num_rows == asked.base.rows
