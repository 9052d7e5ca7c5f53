"""How many checked SQL questions a second come out of the embedded databases, and what the filters drop.

python -m benchmarks.sql_questions [NUMBER]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from lib.progress import Silent
from lib.settings.databases import DatabaseSettings
from lib.settings.synthesis import SynthesisSettings
from lib.sources.sql.collect import collect_databases
from lib.synthesis.sql.synthesize import synthesize


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        collect_databases(DatabaseSettings(), out=folder / "databases", scratch=folder / "build", progress=Silent())
        print(f"databases built and read in {time.perf_counter() - started:.1f} s")
        started = time.perf_counter()
        settings = SynthesisSettings(num_questions=number)
        made = synthesize(
            settings, databases=folder / "databases", seed=0, progress=Silent(), scratch=folder / "scratch"
        )
        seconds = time.perf_counter() - started
        print(f"{len(made.rows):,} questions in {seconds:.1f} s, {len(made.rows) / seconds:,.0f} a second")
        for row in made.funnel.rows():
            print(f"{row['filter']:12} {row['reason'] or 'went on':30} {row['count']:7,}")


if __name__ == "__main__":
    main()
