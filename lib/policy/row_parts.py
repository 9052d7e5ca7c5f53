"""Which rows of a pass attend together: neighbours of about equal length, so that little of the work is padding.

In: for each row how many new tokens it has and how many positions they see, 0 for a row that takes no part.
Out: parts, each of which is multiplied as if all its rows were as its largest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Reading a position's key and value costs as much as multiplying it with so many queries.
READ = 8
# A split costs products of its own: it is made where it spares this share of its part, and so much work at least.
# Where rows stand in order of their length, a part whose best split spares the share s or less is padding for
# s (1 + ln 1/s) at most, here 20 %: what the rows need lies above the hyperbola of all corners that a split could cut
# off.
SHARE = 0.05
WORTH = 1024 * (READ + 1)


class Part(NamedTuple):
    """Rows ``start`` to ``stop``, with the most new tokens and positions of any of them."""

    start: int
    stop: int
    width: int
    length: int

    @property
    def work(self) -> int:
        return (self.stop - self.start) * work_of(self.width, self.length)


def is_worth_it(work: int, less: int, *, share: float) -> bool:
    """Whether doing less spares a share of the work, and enough."""
    return work - less > max(WORTH, share * work)


def work_of(width: int | np.ndarray, length: int | np.ndarray) -> int | np.ndarray:
    """Of a row that has so many new tokens over so many positions."""
    return (READ + width) * length


def split_rows(widths: np.ndarray, lengths: np.ndarray, *, start: int = 0) -> Iterator[Part]:
    """The parts of rows that are counted from ``start`` on; those at the ends of a part take part in the pass."""
    taken = np.flatnonzero(widths)
    if not len(taken):
        return
    first, last = int(taken[0]), int(taken[-1])
    widths, lengths, start = widths[first : last + 1], lengths[first : last + 1], start + first
    whole = Part(start, start + len(widths), int(widths.max()), int(lengths.max()))
    if len(widths) > 1:
        before, after = _work_up_to(widths, lengths), _work_up_to(widths[::-1], lengths[::-1])[::-1]
        work = before[:-1] + after[1:]
        best = int(work.argmin())
        if is_worth_it(whole.work, int(work[best]), share=SHARE):
            place = best + 1
            yield from split_rows(widths[:place], lengths[:place], start=start)
            yield from split_rows(widths[place:], lengths[place:], start=start + place)
            return
    yield whole


def _work_up_to(widths: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Of the part of all rows up to each one, which ends with the last that takes part."""
    counts = np.maximum.accumulate(np.where(widths > 0, np.arange(1, len(widths) + 1), 0))
    return counts * work_of(np.maximum.accumulate(widths), np.maximum.accumulate(lengths))
