"""Keeps questions of the wanted difficulty.

With a judge at hand, k attempts at each question are counted and the number of successes must lie in
a range (DeepDive keeps 0 of 4 by a strong model, section 1.1 of its recipe); without one a measure
taken from the source stands in.
"""

from __future__ import annotations


def within_difficulty(value: float, *, low: float, high: float) -> tuple[bool, str]:
    """``(keep, reason)`` for a measure in [0, 1]."""
    if value < low:
        return False, "easier than min_difficulty"
    if value > high:
        return False, "harder than max_difficulty"
    return True, ""


def within_successes(successes: int | None, *, low: int, high: int) -> tuple[bool, str]:
    """``(keep, reason)`` for the number of right attempts; None says that one of them broke."""
    if successes is None:
        return False, "an attempt broke"
    if successes < low:
        return False, "too few attempts succeed"
    if successes > high:
        return False, "too many attempts succeed"
    return True, ""
