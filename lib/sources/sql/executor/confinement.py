"""What a worker process takes from itself before it sees a query: files, network, memory, a life of its own.

The databases refuse all of this already (see the sessions); here the kernel refuses it once more, as far as this
system lets a process without rights do so. Processes and threads are not limited: DuckDB starts threads of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import tempfile

# Numbers of <linux/prctl.h> and <linux/sched.h>.
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
# Of <linux/capability.h>: the version of capset(2) with two words a set, and reading files whoever owns them.
CAPABILITY_VERSION = 0x20080522
CAP_DAC_READ_SEARCH = 1 << 2
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
# Databases, their threads' pipes and the system's own files; a worker holds a few dozen open.
OPEN_FILES = 256


def die_with(parent: int) -> None:
    """Ends this process when the given parent is gone, be it killed; from now on or already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def leave_the_network() -> bool:
    """Moves this process to a network without devices; False where the system does not let it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return libc.unshare(CLONE_NEWNET) == 0 or libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0


def drop_rights() -> None:
    """Gives up what a superuser may do, but for reading files; nothing changes for anyone else."""
    if sys.platform == "linux" and os.geteuid() == 0:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
        kept = (ctypes.c_uint32 * 6)(CAP_DAC_READ_SEARCH, CAP_DAC_READ_SEARCH)  # effective, permitted, inheritable
        ctypes.CDLL(None).capset(header, kept)


def leave_the_folder() -> None:
    """Makes a folder that is deleted the working directory: relative paths lead nowhere, nothing can be made in it."""
    os.chdir("/")
    with contextlib.suppress(OSError):
        empty = tempfile.mkdtemp()
        os.chdir(empty)
        os.rmdir(empty)


def bound_resources(memory_bytes: int) -> None:
    """No file grows, no core is written, and no more memory than `memory_bytes` beside what is mapped by now."""
    bounds = {
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_AS: mapped_bytes() + memory_bytes,
    }
    for name, bound in bounds.items():
        hard = resource.getrlimit(name)[1]
        bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(name, (bound, bound))


def mapped_bytes() -> int:
    return _statm(0)


def resident_bytes() -> int:
    return _statm(1)


def silence() -> None:
    """Standard output and error lead nowhere: what a library prints meets no reader that could be held up."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _statm(field: int) -> int:
    """Sizes of this process, proc_pid_statm(5); 0 where /proc is not."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[field]) * resource.getpagesize()
    except OSError:
        return 0
