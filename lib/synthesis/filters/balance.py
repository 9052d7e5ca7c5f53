"""Drops questions whose answer or pattern would become too frequent, lest guessing it pays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

# However few questions are wanted, this many may share an answer or a pattern.
LEAST_ROOM = 3


class BalanceFilter:
    """Counts what was kept; shares are of the questions wanted."""

    def __init__(self, *, wanted: int, answer_share: float, pattern_share: float):
        self._answer_room = max(LEAST_ROOM, int(wanted * answer_share))
        self._pattern_room = max(LEAST_ROOM, int(wanted * pattern_share))
        self._answers: Counter[Hashable] = Counter()
        self._patterns: Counter[Hashable] = Counter()

    def check(self, answer: Hashable, pattern: Hashable) -> tuple[bool, str]:
        """``(keep, reason)``; a kept question takes up room until ``release``."""
        if self._answers[answer] >= self._answer_room:
            return False, "its answer is frequent already"
        if self._patterns[pattern] >= self._pattern_room:
            return False, "its pattern of relations is frequent already"
        self._answers[answer] += 1
        self._patterns[pattern] += 1
        return True, ""

    def release(self, answer: Hashable, pattern: Hashable) -> None:
        """Give back the room of a question that a later filter dropped."""
        self._answers[answer] -= 1
        self._patterns[pattern] -= 1
