"""What somebody wants to keep, and what is told of everything that stays or goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from lib.store.manifest import Reference

# Work that did not come to an end may be gone on with: after a failure people look within days.
UNFINISHED_STAYS = timedelta(days=7)


class Sort(StrEnum):
    """What an item is."""

    ARTIFACT = "artifact"
    SCRATCH = "scratch"  # the folder of a stage at work
    DAMAGED = "damaged"  # files that were set aside
    TRASH = "trash"  # what an interrupted removal has left


@dataclass(frozen=True)
class Keep:
    """What somebody wants to keep; ancestors stay with it."""

    num_runs: int = 0  # the latest finished ones
    newer_than: timedelta | None = None  # whatever was made since; None: UNFINISHED_STAYS, for unfinished work
    references: frozenset[Reference] = frozenset()
    imports: bool = True  # what was brought in by hand cannot be made again


@dataclass(frozen=True)
class Item:
    """Something that stays or goes."""

    sort: Sort
    path: Path
    size: int  # bytes
    made_at: datetime
    reason: str
    stage: str = ""
    reference: Reference | None = None


@dataclass(frozen=True)
class Sweep:
    """All items; artifacts come before what they were made from, so that nothing is left without its inputs."""

    remove: list[Item] = field(default_factory=list)
    keep: list[Item] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(item.size for item in self.remove)

    def count_kept(self) -> dict[str, int]:
        """How many items stay, by reason."""
        counts: dict[str, int] = {}
        for item in self.keep:
            counts[item.reason] = counts.get(item.reason, 0) + 1
        return counts


def tell_span(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    number, unit = (hours / 24, "days") if hours >= 48 else (hours, "hours") if hours >= 2 else (hours * 60, "minutes")
    return f"{number:.0f} {unit}"
