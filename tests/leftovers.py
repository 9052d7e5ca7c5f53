"""What must not be left of jobs and servers that have ended."""

from __future__ import annotations

from pathlib import Path

import psutil

from lib.workers.process_tree import MARKER


def lives(process: psutil.Process) -> bool:
    """A zombie does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def shared_memory() -> set[Path]:
    """What Python's multiprocessing has in the machine's memory, semaphores of 32 bytes left out."""
    return {*Path("/dev/shm").glob("psm_*")}


def weights_in_memory() -> list[Path]:
    """Folders of jobs with weights on their way to a server."""
    return [path for path in Path("/dev/shm").glob("ropewalk-*-weights-*") if "-no-job-" not in path.name]


def servers() -> list[psutil.Process]:
    """vLLM servers of jobs, whoever is their parent by now."""
    return [process for process in psutil.process_iter() if is_server_of_a_job(process)]


def is_server_of_a_job(process: psutil.Process) -> bool:
    try:
        return "vllm.entrypoints.openai.api_server" in process.cmdline() and MARKER in process.environ()
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        return False
