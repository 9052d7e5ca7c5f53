"""Two ranks that talk through DeepSpeed's shared memory; rank 0 notes its names, then ends as TEST_ENDING says."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import deepspeed
import deepspeed.comm

from lib.workers.rank import run_rank


def main(job):
    deepspeed.init_distributed(dist_backend="gloo")
    deepspeed.comm.barrier()
    if job.rank == 0:
        port = os.environ["MASTER_PORT"]
        names = [str(path) for path in Path("/dev/shm").glob(f"deepspeed_*_{port}_*")]
        (job.scratch / "buffers.json").write_text(json.dumps(names))
        if os.environ["TEST_ENDING"] == "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
    deepspeed.comm.barrier()


if __name__ == "__main__":
    run_rank(main)
