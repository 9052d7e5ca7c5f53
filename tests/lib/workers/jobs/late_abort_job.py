"""The first rank is done before the other, and aborts where the interpreter ends, as native threads can."""

from __future__ import annotations

import atexit
import os
import time

from lib.workers.rank import run_rank


def main(job):
    job.progress.update(1, 1, "done")
    atexit.register(os.abort)
    time.sleep(4 * job.rank)


if __name__ == "__main__":
    run_rank(main)
