"""Folders that work has left in a store: those of stages, damaged files, what an interrupted removal had taken out.

In: a store and what is to be kept. Out: one item a folder with the reason why it stays or goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lib.store.artifact_store import ArtifactStore
from lib.store.kept import UNFINISHED_STAYS, Item, Keep, Sort, tell_span
from lib.store.locks import read_holder, try_exclusive
from lib.store.manifest import MANIFEST

SCRATCH, DAMAGED, TRASH = "scratch", "damaged", "trash"


def judge_folders(store: ArtifactStore, keep: Keep, now: datetime) -> Iterator[tuple[bool, Item]]:
    """Pairs of whether it goes, and what it is."""
    limit = UNFINISHED_STAYS if keep.newer_than is None else keep.newer_than
    for folder in _children(store.root / SCRATCH):
        stage, _, fingerprint = folder.name.rpartition("-")
        left_at = _last_change(folder)
        goes, reason = _judge_scratch(store, folder, stage, fingerprint, now - left_at, limit)
        yield goes, Item(Sort.SCRATCH, folder, _size(folder), left_at, reason, stage)
    for kind in _children(store.root / DAMAGED):
        for folder in _children(kind):
            set_aside_at = datetime.fromtimestamp(folder.lstat().st_ctime, UTC)
            reason = f"set aside as damaged {tell_span(now - set_aside_at)} ago"
            goes = now - set_aside_at >= limit
            yield goes, Item(Sort.DAMAGED, folder, _size(folder), set_aside_at, reason)
    for kind in _children(store.root / "artifacts"):
        for folder in _children(kind):
            if not (folder / MANIFEST).exists():
                reason = "has no manifest, and so is no artifact"
                yield True, Item(Sort.DAMAGED, folder, _size(folder), _last_change(folder), reason)
    for folder in _children(store.root / TRASH):
        yield True, Item(Sort.TRASH, folder, _size(folder), _last_change(folder), "left by an interrupted removal")


def _judge_scratch(
    store: ArtifactStore, folder: Path, stage: str, fingerprint: str, age: timedelta, limit: timedelta
) -> tuple[bool, str]:
    lock = folder.with_suffix(".lock")
    if lock.exists():
        file = try_exclusive(lock)
        if file is None:
            return False, f"in use by {read_holder(lock) or 'a running process'}"
        file.close()
    if any((store.root / "runs" / stage).glob(f"{fingerprint}*.json")):
        return True, f"{stage} has finished"
    if age < limit:
        return False, f"{stage} goes on from here when it is run again"
    return True, f"{stage} did not finish, {tell_span(age)} ago"


def _children(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _last_change(folder: Path) -> datetime:
    times = [path.lstat().st_mtime for path in (folder, *folder.rglob("*")) if path.exists()]
    return datetime.fromtimestamp(max(times), UTC)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
