"""Replies that were paid for, kept by what was asked, so that a rerun asks only for what is missing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lib.store.line_log import LineLog


@dataclass(frozen=True)
class Reply:
    """What a model said."""

    text: str
    is_cut: bool  # it ran into the limit on its length
    prompt_tokens: int = 0
    completion_tokens: int = 0


class ReplyLog:
    """Replies by request, in the file ``path``. A request is all that is sent: model, messages, sampling settings."""

    def __init__(self, path: Path):
        self._lines = LineLog(path)
        self._replies = {line["request"]: Reply(**line["reply"]) for line in self._lines.read()}

    def __len__(self) -> int:
        return len(self._replies)

    def replies(self) -> list[Reply]:
        return list(self._replies.values())

    def find(self, request: dict[str, Any]) -> Reply | None:
        return self._replies.get(_key(request))

    def record(self, request: dict[str, Any], reply: Reply) -> None:
        self._replies[_key(request)] = reply
        self._lines.append({"request": _key(request), "reply": asdict(reply)})


def _key(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
