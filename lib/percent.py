"""Shares and counts in words: how terminal, notes and page write them alike."""

from __future__ import annotations


def percent(share: float) -> str:
    """0.521 -> ``52.1 %``."""
    return f"{100 * share:.1f} %"


def points(share: float) -> str:
    """The difference of two shares, in percentage points: -0.03 -> ``−3.0``."""
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")


def count(value: int) -> str:
    """Thousands apart: 12345 -> ``12 345``, with a narrow space that does not break."""
    return f"{value:,}".replace(",", "\u202f")
