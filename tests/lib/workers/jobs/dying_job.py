"""The last rank ends as TEST_ENDING says; the others wait for it in a collective."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from datetime import timedelta

import torch.distributed as distributed

from lib.errors import GateError
from lib.workers.rank import run_rank


def fill(folder):
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            continue


def end_now(ending, scratch):
    match ending:
        case "ValueError":
            raise ValueError("the loss is not finite")
        case "GateError":
            raise GateError("too few trained tokens", where="demonstrations", next_step="raise num_demonstrations")
        case "MemoryError":
            raise MemoryError
        case "full disk":
            fill(scratch)
            raise RuntimeError("the writer failed")
        case "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segmentation fault":
            ctypes.string_at(0)
        case "exit":
            sys.exit(7)
        case "hard exit":
            os._exit(9)


def main(job):
    if job.world_size > 1:
        distributed.init_process_group("gloo", timeout=timedelta(seconds=60))
    (job.scratch / "step_00003").mkdir(exist_ok=True)
    if job.rank == job.world_size - 1:
        end_now(os.environ["TEST_ENDING"], job.scratch)
    distributed.barrier()


if __name__ == "__main__":
    run_rank(main)
