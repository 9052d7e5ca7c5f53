"""Every hostile statement with its outcome.

    python -m benchmarks.hostile_sql [--seconds 1]

Runs the corpus of `tests/lib/sources/sql/hostile_statements.py` through the executor, prints a line for each and
the counts of outcomes, and ends with code 1 when one came out otherwise than expected.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from tests.lib.sources.sql.hostile_statements import hostile_statements
from tests.lib.sources.sql.run_hostile import run_hostile
from tests.lib.sources.sql.shop import write_shop


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="time limit of each statement")
    arguments = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    unexpected = 0
    limits = Limits(seconds=arguments.seconds, rows=1000, counted_rows=5000, num_bytes=1 << 20)
    with tempfile.TemporaryDirectory() as folder, Pool(1, memory_mb=256) as pool:
        shop = write_shop(Path(folder))
        for row in hostile_statements(folder):
            outcome = run_hostile(pool, shop, row, limits)
            counts[row.dialect, outcome.kind] += 1
            mark = " " if outcome.expected else "!"
            unexpected += not outcome.expected
            text, message = printable(row.sql)[:70], printable(outcome.message)[:60]
            print(
                f"{mark} {row.dialect:6} {outcome.seconds:6.3f} s  {outcome.kind:12} {text:70}  {message}", flush=True
            )
    for (dialect, kind), count in sorted(counts.items()):
        print(f"{dialect:6} {kind:12} {count:4}")
    print(f"{sum(counts.values())} statements, {unexpected} with another outcome than expected")
    return int(unexpected > 0)


def printable(text: str) -> str:
    """On one line, with what no terminal shows escaped."""
    line = " ".join(text.split())
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in line)


if __name__ == "__main__":
    sys.exit(main())
