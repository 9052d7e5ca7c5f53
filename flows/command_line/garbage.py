"""What `ropewalk gc` keeps, from the words of a user, and what it tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flows.command_line.catalogue import resolve
from flows.stages import STAGES
from lib.errors import SettingsError
from lib.store.artifact_store import ArtifactStore
from lib.store.kept import Item, Keep
from lib.store.manifest import Reference
from lib.store.removal import sweep

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MOST_DIGITS = 4  # of a number of runs; longer digits begin a digest


def collect(
    texts: Sequence[str], newer: str | None, store: ArtifactStore, *, imports: bool, remove: bool
) -> dict[str, Any]:
    """Decide, and remove if that is wanted; return what goes and what stays.

    Args:
        texts: numbers of latest runs, stages and beginnings of digests to keep.
        newer: an age, such as 7d.
        imports: whether imports that nothing needs go too.
    """
    keep = _parse(texts, newer, store, imports=imports)
    decided = sweep(store, keep, last_stage=STAGES[-1].name, dry_run=not remove)
    return {
        "removed": remove,
        "bytes": decided.size,
        "remove": [_as_row(item) for item in decided.remove],
        "keep": [_as_row(item) for item in decided.keep],
        "kept_because": decided.count_kept(),
    }


def parse_age(text: str) -> timedelta:
    """30m, 12h, 7d or 2w; raises SettingsError for anything else."""
    found = re.fullmatch(r"(\d+)\s*([mhdw])", text.strip().lower())
    if found is None:
        raise SettingsError(f"{text!r} is no age.", next_step="write a number and a unit: 30m, 12h, 7d or 2w")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _parse(texts: Sequence[str], newer: str | None, store: ArtifactStore, *, imports: bool) -> Keep:
    if not texts and newer is None:
        raise SettingsError(
            "What is to be kept was not said.",
            where=str(store.root),
            kept="everything",
            next_step="run `ropewalk gc --keep 3` for the last three runs, or `ropewalk gc --keep-newer 30d`",
        )
    numbers = [int(text) for text in texts if text.isdecimal() and len(text) <= MOST_DIGITS]
    names = [text for text in texts if not (text.isdecimal() and len(text) <= MOST_DIGITS)]
    references: set[Reference] = {resolve(name, store) for name in names}
    return Keep(
        num_runs=max(numbers, default=0),
        newer_than=None if newer is None else parse_age(newer),
        references=frozenset(references),
        imports=not imports,
    )


def _as_row(item: Item) -> dict[str, Any]:
    return {
        "what": item.sort,
        "stage": item.stage,
        "kind": item.reference.kind if item.reference else None,
        "digest": item.reference.digest if item.reference else None,
        "path": str(item.path),
        "bytes": item.size,
        "made_at": item.made_at.isoformat(timespec="seconds"),
        "reason": item.reason,
    }
