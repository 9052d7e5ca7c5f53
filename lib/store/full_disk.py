"""A full disk, or one that takes no more writes, in whichever words a library tells it, as an error that says where and
what is safe."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.errors import ArtifactError, RopewalkError

# How the C library, Rust (safetensors) and DuckDB say it where the error number does not come through.
WORDS = ("No space left on device", "Disk quota exceeded", "(os error 28)")
# What Linux makes of a disk that has failed, and a server of one that somebody else needs.
READ_ONLY_WORDS = ("Read-only file system", "(os error 30)")
# Less than any checkpoint or table: torch says only that it failed to write, and leaves the disk full.
FULL_BELOW_BYTES = 1 << 20
FREE_SPACE = "free some space (`ropewalk gc --keep 1` tells what can go), then run the same command again"

MOUNT = "mount it for writing again (the system's log may say why it is not), then run the same command again"


def tells_full_disk(error: BaseException) -> bool:
    """Whether an error says that there was no space to write."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in str(error) for words in WORDS)


def tells_read_only(error: BaseException) -> bool:
    """Whether an error says that the whole disk takes no writes."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == errno.EROFS
    return any(words in str(error) for words in READ_ONLY_WORDS)


def is_full(folder: Path) -> bool:
    """Whether nothing of use can be written there any more."""
    try:
        return shutil.disk_usage(folder).free < FULL_BELOW_BYTES
    except OSError:
        return False


@contextmanager
def lost_disk_explained(where: Path, *, kept: str) -> Iterator[None]:
    """Turn "no space left on device" and "read-only file system" into an ArtifactError with where and what is safe."""
    try:
        yield
    except RopewalkError:
        raise
    except Exception as error:  # a boundary: every library has a type of its own for this
        place = str(getattr(error, "filename", None) or where)
        if tells_full_disk(error):
            raise ArtifactError("The disk is full.", where=place, kept=kept, next_step=FREE_SPACE) from error
        if tells_read_only(error):
            raise ArtifactError("The disk has become read-only.", where=place, kept=kept, next_step=MOUNT) from error
        raise
