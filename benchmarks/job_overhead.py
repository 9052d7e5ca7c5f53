"""Seconds from `run_job` to the first line of a job's main function, and to its end, for each launcher.

    python -m benchmarks.job_overhead [REPEATS]

Each launcher runs an empty job.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from lib.settings.learning import WorkerSettings
from lib.settings.settings import Settings
from lib.workers.job import JobSpec, Launcher
from lib.workers.supervise import run_job

EMPTY_JOB = """
from lib.workers.rank import run_rank

def main(job):
    job.progress.update(1, 1)

if __name__ == "__main__":
    run_rank(main)
"""


class FirstUpdate:
    """Remembers when the first update came."""

    time: float | None = None

    def update(self, done: int, total: int, note: str = "") -> None:
        self.time = self.time or time.monotonic()


def measure(launcher: Launcher, ranks: int) -> tuple[float, float]:
    """Seconds to the job's first word and to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "empty_job.py").write_text(EMPTY_JOB)
        os.environ["PYTHONPATH"] = str(folder)
        spec = JobSpec("empty_job", launcher, Settings(), {}, folder / "out", folder / "scratch", seed=0)
        first, started = FirstUpdate(), time.monotonic()
        result = run_job(spec, workers=WorkerSettings(ranks=ranks), progress=first)
        assert first.time is not None, "the job reports once"
        return first.time - started, result.seconds


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    cases: list[tuple[Launcher, int]] = [("process", 1), ("deepspeed", 1), ("deepspeed", 2)]
    totals = {}
    for launcher, ranks in cases:
        times = [measure(launcher, ranks) for _ in range(repeats)]
        first, total = (statistics.median(column) for column in zip(*times, strict=True))
        totals[launcher, ranks] = total
        print(f"{launcher:10} {ranks} rank(s): first word {first:5.2f} s, end {total:5.2f} s")
    print(f"deepspeed / process: {totals['deepspeed', 1] / totals['process', 1]:.1f}")


if __name__ == "__main__":
    main()
