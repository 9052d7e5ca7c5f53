"""The progress of one attempt, as a part of a longer piece of work that makes several."""

from __future__ import annotations

from dataclasses import dataclass

from lib.progress import Progress


@dataclass(frozen=True)
class PartProgress:
    """Counts on from what was done before, towards the whole's total."""

    whole: Progress
    before: int
    total: int
    note: str

    def update(self, done: int, total: int, note: str = "") -> None:
        self.whole.update(self.before + done, self.total, f"{self.note}: {done} of {total} {note}".rstrip())
