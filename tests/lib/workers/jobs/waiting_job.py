"""Saves something, starts a grandchild in a session of its own, reports once and waits for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from lib.workers.rank import run_rank


def main(job):
    if job.rank == 0:
        (job.scratch / "step_00001").mkdir(exist_ok=True)
        subprocess.Popen(["sleep", "300"], start_new_session=True)
        job.progress.update(1, 9, "waiting")
    if os.environ.get("TEST_DEAF_TO_SIGTERM"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(300)


if __name__ == "__main__":
    run_rank(main)
