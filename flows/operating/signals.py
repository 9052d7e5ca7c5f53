"""What SIGINT and SIGTERM do to a command that starts other processes."""

from __future__ import annotations

import signal
from types import FrameType


def interrupt_on_signals() -> None:
    """Both raise KeyboardInterrupt in the main thread, which ends what was started on the way out."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
