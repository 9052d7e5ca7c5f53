"""Says who it is."""

from __future__ import annotations

from lib.workers.rank import run_rank


def main(job):
    job.progress.update(1, 1, f"rank {job.rank} of {job.world_size}")


if __name__ == "__main__":
    run_rank(main)
