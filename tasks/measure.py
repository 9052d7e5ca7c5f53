"""What a stage takes: seconds, peak memory of this process, tokens in its tables."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import duckdb

from lib.store.manifest import Cost


class Meter:
    """Measures from its creation on; `peak_memory_mb` can be raised by work done in other processes."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._peak_of_jobs = 0.0
        self._tokens_of_endpoints = 0
        _reset_peak()

    def add_job(self, peak_memory_mb: float) -> None:
        self._peak_of_jobs = max(self._peak_of_jobs, peak_memory_mb)

    def add_tokens(self, tokens: int) -> None:
        """Those that an endpoint took and gave."""
        self._tokens_of_endpoints += tokens

    def cost(self, out: Path) -> Cost:
        """The peak is that of the jobs where there were any, otherwise that of this process."""
        seconds = time.perf_counter() - self._start
        return Cost(
            seconds=round(seconds, 3),
            peak_memory_mb=round(self._peak_of_jobs or _peak_mb(), 1),
            tokens=max(self._tokens_of_endpoints, count_tokens(out)),
        )


def count_tokens(out: Path) -> int:
    """Tokens of all steps or of all episodes, whichever are more: a step may drop episodes or reuse them."""
    counts = [0]
    for table, expression in (("steps", "sum(num_tokens)"), ("episodes", "sum(len(tokens))")):
        path = out / f"{table}.parquet"
        if path.exists():
            with duckdb.connect() as connection:
                query = f"SELECT coalesce({expression}, 0)::BIGINT FROM read_parquet($path)"
                counts += connection.execute(query, {"path": str(path)}).fetchone()
    return max(counts)


def _reset_peak() -> None:
    """Linux: 5 resets the high-water mark of resident memory (man proc_pid_clear_refs)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_mb() -> float:
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
