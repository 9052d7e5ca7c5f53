"""What must not be left of jobs and servers that have ended."""

from __future__ import annotations

from pathlib import Path

import psutil


def lives(process: psutil.Process) -> bool:
    """A zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def shared_memory() -> set[Path]:
    """What Python's multiprocessing has in the machine's memory, semaphores of 32 bytes left out."""
    return {*Path("/dev/shm").glob("psm_*")}
