"""Processes and their descendants: ending them with their parent, finding and killing all, measuring memory.

Two nets: the kernel's (a child gets a signal when its parent dies; orphans are adopted by the guard) and a
marker in the environment that every descendant inherits, by which survivors are found whoever their parent is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

MARKER = "ROPEWALK_JOB"
SHARED_MEMORY_FILE = re.compile(r"/dev/shm/(?:psm_|sem\.mp-)\S+$", re.MULTILINE)

# Numbers of <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent() -> None:
    """This process gets SIGKILL when the thread that started it ends; nothing happens where Linux is not."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt_orphans() -> None:
    """Descendants whose parent dies become children of this process instead of init's."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(grace_s: float) -> None:
    """Ends all descendants of this process: SIGTERM, then SIGKILL after `grace_s` seconds until none is left."""
    _send(psutil.Process().children(recursive=True), signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while _living_descendants():
        if time.monotonic() > deadline:
            _send(_living_descendants(), signal.SIGKILL)
        time.sleep(0.02)


def kill_marked(marker: str) -> int:
    """Kills every process whose environment holds the marker; returns how many there were."""
    found = [process for process in psutil.process_iter() if _is_marked(process, marker)]
    _send(found, signal.SIGKILL)
    psutil.wait_procs(found, timeout=5)
    return len(found)


def exit_code_of_zombie(pid: int) -> int | None:
    """How a process ended that its parent has not asked about yet: its exit code, or minus its signal.

    None while it lives, when its parent has collected it, or where /proc is not. Field 52 of proc_pid_stat(5).
    """
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] != "Z":
        return None
    return os.waitstatus_to_exitcode(int(fields[-1]))


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def memory_mb(pid: int) -> float:
    """Sum of the resident memory of a process and its descendants, in 10^6 bytes."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_info().rss
    return total / 1e6


def shared_memory_of(group: int) -> set[Path]:
    """Files in the machine's memory that Python's multiprocessing made for processes of a group.

    They are there until somebody removes them, whoever has been killed meanwhile.
    """
    found: set[Path] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(OSError):
            if os.getpgid(process.pid) == group:
                found |= set(map(Path, SHARED_MEMORY_FILE.findall(Path(f"/proc/{process.pid}/maps").read_text())))
    return found


def _living_descendants() -> list[psutil.Process]:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    return [process for process in psutil.Process().children(recursive=True) if is_alive(process.pid)]


def _is_marked(process: psutil.Process, marker: str) -> bool:
    try:
        return process.environ().get(MARKER) == marker
    except (psutil.Error, OSError):
        return False


def _send(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
