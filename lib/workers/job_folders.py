"""Folders of a job beside its scratch, for what belongs on no disk: sockets, weights on their way to another process.

They are named after the job's marker, so that its guard, which outlives every rank, removes what killed ranks leave.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lib.workers.process_tree import MARKER

SHARED_MEMORY = Path("/dev/shm")
NOTED = "elsewhere.txt"


def make_job_folder(purpose: str, within: Path | None = None) -> Path:
    """A new folder that only this user enters, by default among the machine's temporary files."""
    marker = os.environ.get(MARKER, "no-job")
    return Path(tempfile.mkdtemp(prefix=f"ropewalk-{marker}-{purpose}-", dir=within))


def note_files(folder: Path, files: Iterable[Path]) -> None:
    """Files elsewhere that are to go with a job's folder, beside those noted before."""
    with contextlib.suppress(FileNotFoundError), (folder / NOTED).open("a") as note:
        note.writelines(f"{file}\n" for file in files)


def remove_noted(folder: Path) -> None:
    """Files that go with the folder."""
    with contextlib.suppress(FileNotFoundError):
        for file in (folder / NOTED).read_text().splitlines():
            Path(file).unlink(missing_ok=True)
        (folder / NOTED).unlink()


def remove_job_folder(folder: Path) -> None:
    """With all that goes with it."""
    remove_noted(folder)
    shutil.rmtree(folder, ignore_errors=True)


def remove_job_folders() -> None:
    """Those of this process's job, in shared memory and among the temporary files."""
    marker = os.environ.get(MARKER)
    if not marker:
        return
    for place in (SHARED_MEMORY, Path(tempfile.gettempdir())):
        for folder in place.glob(f"ropewalk-{marker}-*"):
            remove_job_folder(folder)
