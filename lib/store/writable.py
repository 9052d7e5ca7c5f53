"""Whether a store can be written, asked before anything starts: a server or a job would say it in words of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lib.errors import ArtifactError
from lib.store.full_disk import FREE_SPACE, is_full, tells_full_disk


def require_writable(root: Path) -> None:
    """Make the folder and write to it. Raises ArtifactError that says what stands in the way."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as probe:
            probe.write(bytes(4096))
    except OSError as error:
        if tells_full_disk(error):
            raise _full(root) from error
        raise ArtifactError(
            f"The store cannot be written: {error.strerror or error}.",
            where=str(error.filename or root),
            kept="all published artifacts",
            next_step="name another folder with --store, or mend this one's permissions",
        ) from error
    if is_full(root):
        raise _full(root)


def _full(root: Path) -> ArtifactError:
    return ArtifactError("The disk is full.", where=str(root), kept="all published artifacts", next_step=FREE_SPACE)
