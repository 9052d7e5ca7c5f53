"""One hostile statement through the pool, and what came of it."""

from __future__ import annotations

import time
from typing import NamedTuple

from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile
from tests.lib.sources.sql.hostile_statements import Hostile

# What takes some work to run into; on a busy machine the time is over first.
COSTLY = {"memory", "bytes", "cut"}


class Outcome(NamedTuple):
    kind: str
    expected: bool
    seconds: float
    message: str


def run_hostile(pool: Pool, shop: dict[str, DatabaseFile], row: Hostile, limits: Limits) -> Outcome:
    """The outcome, its kind in the words of the table; seconds as the caller waits."""
    started = time.perf_counter()
    result = pool.run(shop[row.dialect], row.sql, limits)
    seconds = time.perf_counter() - started
    kind = str(result.error.kind) if result.error else "cut" if result.truncated else "rows"
    message = result.error.message if result.error else f"{len(result.rows)} rows of {result.num_rows}"
    expected = set(row.expected.split("|"))
    if expected & COSTLY:
        expected.add("time")
    return Outcome(kind, kind in expected, seconds, message)
