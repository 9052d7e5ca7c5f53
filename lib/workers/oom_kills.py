"""How many processes Linux has killed because memory ran out: what tells such an end from any other SIGKILL."""

from __future__ import annotations

from pathlib import Path

# Counts kills for want of memory in the whole machine and in any of its control groups, since it was started.
COUNTERS = Path("/proc/vmstat")


def count_oom_kills(counters: Path = COUNTERS) -> int:
    """The counter `oom_kill`; 0 where the system has none."""
    try:
        lines = counters.read_text().splitlines()
    except OSError:
        return 0
    return next((int(value) for name, _, value in (line.partition(" ") for line in lines) if name == "oom_kill"), 0)
