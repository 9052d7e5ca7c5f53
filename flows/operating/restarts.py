"""How often a process that others depend on is started again when it ends."""

from __future__ import annotations

import time

IN_A_ROW, STEADY_S = 3, 60.0


class Restarts:
    """Three in a row; one that has lasted a minute begins a new row. Made when the process is started."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._started = time.monotonic()

    def may_start_again(self) -> bool:
        """Asked when it has ended, and before it is started again."""
        now = time.monotonic()
        self._in_a_row = self._in_a_row + 1 if now - self._started < STEADY_S else 1
        self._started = now
        return self._in_a_row <= IN_A_ROW
