"""Every rank adds its number over gloo; rank 0 writes the sum and reports two steps."""

from __future__ import annotations

import json

import torch
import torch.distributed as distributed

from lib.workers.rank import run_rank


def main(job):
    distributed.init_process_group("gloo")
    number = torch.tensor([float(job.rank + 1)])
    distributed.all_reduce(number)
    if job.rank == 0:
        job.progress.update(1, 2, "summed")
        job.progress.update(2, 2, "written")
        seen = {
            "sum": number.item(),
            "world_size": job.world_size,
            "seed": job.seed,
            "threads": torch.get_num_threads(),
        }
        (job.out / "sum.json").write_text(json.dumps(seen))
    distributed.destroy_process_group()


if __name__ == "__main__":
    run_rank(main)
