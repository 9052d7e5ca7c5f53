"""Keeps questions of the wanted difficulty.

With a policy at hand, k attempts at each question are counted and the number of successes must lie in
a range (DeepDive keeps 0 of 4 by a strong model, section 1.1 of its recipe); without one a measure
taken from the source stands in.
"""

from __future__ import annotations

from collections.abc import Callable


def within_difficulty(value: float, *, low: float, high: float) -> tuple[bool, str]:
    """``(keep, reason)`` for a measure in [0, 1]."""
    if value < low:
        return False, "easier than min_difficulty"
    if value > high:
        return False, "harder than max_difficulty"
    return True, ""


def within_successes(attempt: Callable[[str], int], question: str, *, low: int, high: int) -> tuple[bool, str, int]:
    """``(keep, reason, successes)``; ``attempt`` returns how many of its attempts were right."""
    successes = attempt(question)
    if successes < low:
        return False, "too few attempts succeed", successes
    if successes > high:
        return False, "too many attempts succeed", successes
    return True, "", successes
