"""Folders of a job beside its scratch, for what belongs on no disk: sockets, weights on their way to another process.

They are named after the job's marker, so that its guard, which outlives every rank, removes what killed ranks leave.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from lib.workers.process_tree import MARKER

SHARED_MEMORY = Path("/dev/shm")


def make_job_folder(purpose: str, within: Path | None = None) -> Path:
    """A new folder that only this user enters, by default among the machine's temporary files."""
    marker = os.environ.get(MARKER, "no-job")
    return Path(tempfile.mkdtemp(prefix=f"ropewalk-{marker}-{purpose}-", dir=within))


def remove_job_folders() -> None:
    """Those of this process's job, in shared memory and among the temporary files."""
    marker = os.environ.get(MARKER)
    if not marker:
        return
    for place in (SHARED_MEMORY, Path(tempfile.gettempdir())):
        for folder in place.glob(f"ropewalk-{marker}-*"):
            shutil.rmtree(folder, ignore_errors=True)
