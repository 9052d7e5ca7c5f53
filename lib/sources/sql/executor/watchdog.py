"""The thread of a worker that interrupts a query whose time is up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# How late an interrupt may come, and how often it is said again to a query that has not heard it.
TICK_S = 0.02
# Idle ticks after which the thread sleeps until the next query.
IDLE_TICKS = 100


class Watchdog:
    """Calls `interrupt` from the deadline on until the query is over; one query at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._interrupt: Callable[[], None] | None = None
        self._deadline = 0.0
        self.fired = False
        threading.Thread(target=self._watch, daemon=True, name="watchdog").start()

    def arm(self, seconds: float, interrupt: Callable[[], None]) -> None:
        with self._lock:
            self.fired, self._interrupt, self._deadline = False, interrupt, time.monotonic() + seconds
            if not self._awake.is_set():
                self._awake.set()

    def disarm(self) -> None:
        """After this, no interrupt of the query can come any more."""
        with self._lock:
            self._interrupt = None

    def _watch(self) -> None:
        idle = 0
        while True:
            self._awake.wait()
            time.sleep(TICK_S)
            with self._lock:
                idle = 0 if self._interrupt else idle + 1
                if idle > IDLE_TICKS:
                    self._awake.clear()
                    idle = 0
                if self._interrupt and time.monotonic() >= self._deadline:
                    self.fired = True
                    self._interrupt()
