"""Removing what is not kept, so that a crash at any point leaves a store that is whole.

In: a store and what is to be kept. Out: what has gone. Everything is first renamed into `trash/`, which
takes it out of the store at once, and deleted after that. Runs wait while it decides and renames, not
while it deletes.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.full_disk import tells_full_disk
from lib.store.garbage import plan_sweep
from lib.store.holds import removing
from lib.store.kept import Item, Keep, Sort, Sweep
from lib.store.leftovers import SCRATCH, TRASH
from lib.store.locks import try_exclusive
from lib.store.manifest import MANIFEST
from lib.store.run_index import RunIndex


def sweep(store: ArtifactStore, keep: Keep, *, last_stage: str, dry_run: bool) -> Sweep:
    """Decide what goes and, unless it is a dry run, remove it; raises ArtifactError where files cannot be moved."""
    if not store.root.is_dir():
        return Sweep()
    try:
        with removing(store.root) as held:
            decided = plan_sweep(store, keep, held, last_stage=last_stage)
            gone = [] if dry_run else _take_out(store, decided.remove)
        for path in gone:
            _delete(path)
    except OSError as error:
        raise ArtifactError(
            f"The store cannot be cleared: {error.strerror or error}.",
            where=str(error.filename or store.root),
            kept="every artifact that has not gone is whole",
            next_step="make the store writable, then run the same command again",
        ) from error
    return decided


def _take_out(store: ArtifactStore, items: list[Item]) -> list[Path]:
    """Rename all items into the trash; what was made from an artifact goes before it."""
    trash, gone = store.root / TRASH, []
    for item in items:
        if item.sort is Sort.TRASH:
            gone.append(item.path)
            continue
        lock = try_exclusive(item.path.with_suffix(".lock")) if item.sort is Sort.SCRATCH else None
        if item.sort is Sort.SCRATCH and lock is None:
            continue  # a run has come to it since
        gone.append(_put_aside(item.path, trash))
        if lock is not None:
            item.path.with_suffix(".lock").unlink(missing_ok=True)
            lock.close()
    removed = {item.reference for item in items if item.reference is not None}
    RunIndex(store).forget(removed)
    for reference in removed:
        store.memo_path(reference).unlink(missing_ok=True)
    _remove_free_locks(store.root / SCRATCH)
    return gone


def _put_aside(path: Path, trash: Path) -> Path:
    """Rename a folder into the trash; on a disk too full for that, take its manifest away, which counts as much."""
    aside = trash / f"{path.parent.name}-{path.name[:16]}-{uuid.uuid4().hex[:8]}"
    try:
        trash.mkdir(exist_ok=True)
        os.rename(path, aside)
    except OSError as error:
        if not tells_full_disk(error):
            raise
        (path / MANIFEST).unlink(missing_ok=True)
        return path
    return aside


def _remove_free_locks(scratch: Path) -> None:
    """Lock files of stages that are done; whoever locks one at the same moment notices that it has gone."""
    for path in scratch.glob("*.lock"):
        if not path.with_suffix("").exists() and (lock := try_exclusive(path)) is not None:
            path.unlink(missing_ok=True)
            lock.close()


def _delete(path: Path) -> None:
    """A link goes, and what it points to stays."""
    if path.is_symlink():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)
