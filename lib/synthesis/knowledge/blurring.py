"""Exact values -> vague ones: a date to a range of years, a number to a bucket, a code to its beginning.

In: a row of the attributes table. Out: the words of the vague value, and a test whether another row's
value falls into it, with which uniqueness is checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

# Buckets end at 1, 2, 5, 10, 20, 50, ...: bounds that a person would name.
BOUNDS = (1, 2, 5, 10)
YEARS = 20  # a span of years that leaves several candidates in most tables
# Units that the attribute's name says, or that say nothing.
UNTOLD = ("people", "units of ")


@dataclass(frozen=True)
class Blur:
    """``text`` completes "has a population ..."; ``covers`` takes another row of the same attribute."""

    text: str
    covers: Callable[[dict], bool]


def blur_value(row: dict) -> Blur | None:
    """None for values that cannot be made vague, such as long texts."""
    if row["kind"] == "text":
        return _blur_text(row["text"])
    if row["kind"] == "year":
        low = int(row["number"]) // YEARS * YEARS
        return _between(low, low + YEARS - 1, f"between {low} and {low + YEARS - 1}")
    low, high = bucket(row["number"])
    unit = f" {row['unit']}" if row["unit"] and not row["unit"].startswith(UNTOLD) else ""
    if low == high:
        return None
    return _between(low, high, f"between {_plain(low)} and {_plain(high)}{unit}", half_open=True)


def bucket(number: float) -> tuple[float, float]:
    """Bounds with low <= number < high of the bucket around a number; (0, 0) for zero."""
    if number == 0:
        return 0.0, 0.0
    if number < 0:
        low, high = bucket(-number)
        return (-high, -low) if low < -number else (-low, -low / 2)
    power = 10.0 ** math.floor(math.log10(number))
    if power > number:  # the logarithm was rounded up
        power /= 10
    for low, high in zip(BOUNDS, BOUNDS[1:], strict=False):
        if low * power <= number < high * power:
            return low * power, high * power
    return 10 * power, 20 * power  # the logarithm was rounded down


def _between(low: float, high: float, text: str, *, half_open: bool = False) -> Blur:
    def covers(other: dict) -> bool:
        number = other["number"]  # None where another entity's value of the same name is a text
        if number is None:
            return False
        return low <= number < high if half_open and low >= 0 else low <= number <= high

    return Blur(text, covers)


def _blur_text(text: str) -> Blur | None:
    """A code begins with its first sign; words are not cut."""
    if not 2 <= len(text) <= 5 or not text.isalnum():
        return None
    return Blur(f"beginning with {text[0]}", lambda other: (other["text"] or "").startswith(text[0]))


def _plain(number: float) -> str:
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.6g}"
