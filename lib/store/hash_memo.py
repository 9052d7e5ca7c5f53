"""Hashes of files that have not changed since they were last hashed.

A cache hit is verified before it is used; gigabytes that nobody touched need not be read again for
that. A file counts as untouched while its size, inode and both time stamps stand still; the change
time (ctime) cannot be set back by a program, so restored modification times do not fool it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from lib.store.atomic_write import write_atomically
from lib.store.content_digest import hash_file

# Time stamps advance with the kernel's tick (up to 10 ms): a file changed more recently than this
# could change again under the same stamp, so its hash is not remembered.
SETTLED_NS = 50_000_000


class HashMemo:
    """Remembered hashes, in one small JSON file."""

    def __init__(self, path: Path):
        self._path = path
        self._known = _load(path)
        self._changed = False

    def digest(self, path: Path) -> str:
        """SHA-256 of the file's bytes, from memory where it has not been touched."""
        stamp = stamp_of(path)
        known = self._known.get(str(path))
        if known is not None and known[:-1] == stamp:
            return known[-1]
        sha256 = hash_file(path)
        self.remember(path, sha256, stamp=stamp)
        return sha256

    def remember(self, path: Path, sha256: str, *, stamp: list[int]) -> None:
        """Note a hash that was taken after the stamp, unless the file has been touched since."""
        if stamp_of(path) == stamp and time.time_ns() - stamp[2] > SETTLED_NS:
            self._known[str(path)] = [*stamp, sha256]
            self._changed = True

    def save(self) -> None:
        """Best effort: without it the next look reads the files again."""
        if not self._changed:
            return
        try:
            write_atomically(self._path, json.dumps(self._known))
        except OSError:
            return
        self._changed = False


def stamp_of(path: Path) -> list[int]:
    """What changes when a file is touched; moving the folder that it lies in does not count."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _load(path: Path) -> dict[str, list]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
