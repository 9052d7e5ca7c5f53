"""How long work says how far it is, without knowing who listens."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Protocol


class Progress(Protocol):
    """A listener: a terminal bar, a file that a supervisor follows, or nobody."""

    def update(self, done: int, total: int, note: str = "") -> None: ...


class Silent:
    """Nobody listens."""

    def update(self, done: int, total: int, note: str = "") -> None:
        return None


class ProgressFile:
    """Appends one JSON line an update; a supervisor in another process follows the file."""

    def __init__(self, path: Path):
        self._path = path

    def update(self, done: int, total: int, note: str = "") -> None:
        line = json.dumps({"done": done, "total": total, "note": note, "time": time.time()})
        with self._path.open("a") as file:
            file.write(line + "\n")
