"""The shared memory through which DeepSpeed's ranks of one machine talk, which they leave behind: 66 MiB a rank.

In: a job's master port, which is part of the names. Shared memory belongs to no process, so what is not
removed holds main memory until the machine starts anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path("/dev/shm")
PORT = "--master_port="


def remove_buffers(command: Sequence[str]) -> None:
    """Remove the buffers of a job that has ended; ``command`` is the one that started it."""
    for port in (word.removeprefix(PORT) for word in command if word.startswith(PORT)):
        for buffer in FOLDER.glob(f"deepspeed_allreduce_buffer_{os.getuid()}_*_{port}_*"):
            buffer.unlink(missing_ok=True)
