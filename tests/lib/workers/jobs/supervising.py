"""A supervisor to be killed: runs the waiting job in the scratch that its argument names."""

from __future__ import annotations

import sys
from pathlib import Path

from lib.progress import Silent
from lib.settings.learning import WorkerSettings
from lib.settings.settings import Settings
from lib.workers.job import JobSpec
from lib.workers.supervise import run_job

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    spec = JobSpec("waiting_job", "deepspeed", Settings(), {}, folder / "out", folder / "scratch", seed=3)
    run_job(spec, workers=WorkerSettings(ranks=2), progress=Silent())
