"""The tag in which a policy gives its final answer, whatever the environment."""

from __future__ import annotations

import re

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)


def last_answer(text: str) -> str | None:
    """What stands in the last tag of a turn; None without one."""
    found = _ANSWER.findall(text)
    return found[-1] if found else None
