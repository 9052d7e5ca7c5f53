"""Which artifacts running processes use, so that none of them is removed under their hands.

In: references, one by one, as a run comes to them. Out: a file below `in_use/` that the process
keeps locked: it counts as long as the process lives. An artifact is found and held under a lock
shared by all runs, which whoever removes artifacts takes alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from lib.store.full_disk import lost_disk_explained
from lib.store.locks import Holder, exclusive, read_holder, shared, sign, try_exclusive
from lib.store.manifest import Reference

FOLDER = "in_use"
REMOVAL_LOCK = "removal.lock"
# Nothing can be removed from a store that cannot be written, so that nothing needs to be held there.
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class Holds:
    """What one run of this process uses."""

    def __init__(self, root: Path, run: str = ""):
        self._root, self._run = root, run
        self._file: IO[str] | None = None
        self._held: set[Reference] = set()

    def __contains__(self, reference: Reference) -> bool:
        return reference in self._held

    @contextmanager
    def steady(self) -> Iterator[None]:
        """While this lasts, nothing is removed from the store; what is added meanwhile stays."""
        path = self._root / REMOVAL_LOCK
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError:  # where no lock can be made, nothing can be removed either
            yield
            return
        with shared(path):
            yield

    def add(self, reference: Reference) -> None:
        """Hold an artifact until this object or its process ends; call it inside `steady`.

        Raises ArtifactError when the disk is full.
        """
        if reference in self._held:
            return
        with lost_disk_explained(self._root / FOLDER, kept="all published artifacts"):
            try:
                self._file = self._file or self._open()
                self._file.write(reference.model_dump_json() + "\n")
                self._file.flush()
            except OSError as error:
                if error.errno not in READ_ONLY:
                    raise
        self._held.add(reference)

    def _open(self) -> IO[str]:
        path = self._root / FOLDER / f"{os.getpid()}-{uuid.uuid4().hex[:12]}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        fcntl.flock(file, fcntl.LOCK_EX)
        sign(file, self._run)
        weakref.finalize(self, _let_go, file, path)
        return file


@dataclass(frozen=True)
class Held:
    """What a living process holds."""

    holder: Holder | None
    references: frozenset[Reference]


@contextmanager
def removing(root: Path) -> Iterator[list[Held]]:
    """What living processes hold, which stays so while this lasts; files of dead ones are removed."""
    with exclusive(root / REMOVAL_LOCK):
        yield _read_holds(root)


def _read_holds(root: Path) -> list[Held]:
    held = []
    for path in sorted((root / FOLDER).glob("*.jsonl")):
        if (file := try_exclusive(path)) is not None:
            path.unlink(missing_ok=True)
            file.close()
            continue
        lines = path.read_text().splitlines()[1:] if path.exists() else []
        held.append(Held(read_holder(path), frozenset(filter(None, map(_read_reference, lines)))))
    return held


def _read_reference(line: str) -> Reference | None:
    try:
        return Reference.model_validate_json(line)
    except ValidationError:
        return None


def _let_go(file: IO[str], path: Path) -> None:
    path.unlink(missing_ok=True)
    with suppress(OSError):  # what a full disk did not take goes with the file
        file.close()
