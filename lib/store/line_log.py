"""Values in a file of JSON lines that outlives a crash: what was appended is there again afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lib.store.atomic_write import write_atomically


class LineLog:
    """Appends to ``path``; without one nothing is kept."""

    def __init__(self, path: Path | None):
        self._path = path

    def read(self) -> list[Any]:
        """All values, in their order. An interrupted write leaves a line without its end, which is cut off."""
        if self._path is None or not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            write_atomically(self._path, "".join(whole))
        return [json.loads(line) for line in whole]

    def append(self, value: Any) -> None:
        if self._path:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")
