"""How far a stage is, as a progress artifact in Prefect's pages: only for long work, and seldom updated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from lib.progress import Progress
from lib.store.manifest import Reference
from tasks.card_text import plain
from tasks.publish import key_of, worth_no_result
from tasks.run import Listener, Outcome, listener

EVERY_S = 2.0  # between two updates, and before the first


@contextmanager
def progress_published() -> Iterator[None]:
    """While this lasts, stages tell the pages how far they are, beside whoever listened before."""
    published = PublishedProgress(listener.get())
    token = listener.set(published)
    try:
        yield
        published.complete()
    finally:
        listener.reset(token)


class PublishedProgress:
    """A listener that passes everything on."""

    def __init__(self, outer: Listener):
        self._outer = outer
        self._bars: list[_Bar] = []

    def started(self, stage: str) -> Progress:
        self._bars.append(_Bar(stage, self._outer.started(stage)))
        return self._bars[-1]

    def finished(self, stage: str, reference: Reference, outcome: Outcome) -> None:
        self._outer.finished(stage, reference, outcome)

    def complete(self) -> None:
        for bar in self._bars:
            bar.complete()


class _Bar:
    """The progress of one stage."""

    def __init__(self, stage: str, outer: Progress):
        self._stage, self._outer = stage, outer
        self._last = time.monotonic()
        self._artifact: Any = None
        self._is_tried = True  # until an update does not come through: one that cannot be sent holds up the work

    def update(self, done: int, total: int, note: str = "") -> None:
        self._outer.update(done, total, note)
        if self._is_tried and time.monotonic() - self._last >= EVERY_S:
            self._send(min(100.0, 100 * done / total) if total else 0.0, f"{done:,} of {total:,} {note}")
            self._last = time.monotonic()

    def complete(self) -> None:
        """All that was shown before stands at 100 in the end."""
        if self._artifact is not None and self._is_tried:
            self._send(100.0, "done")

    def _send(self, percent: float, words: str) -> None:
        self._is_tried = False
        with worth_no_result(f"the progress of {self._stage}"):
            text = f"{self._stage}: {plain(words)}"
            if self._artifact is None:
                self._artifact = create_progress_artifact(
                    percent, key=key_of(self._stage, "progress"), description=text, _sync=True
                )
            else:
                update_progress_artifact(self._artifact, percent, description=text, _sync=True)
            self._is_tried = True
