"""What one query may cost; whoever asks may set each bound for each query."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of one query. Memory is a bound of the whole worker and belongs to the pool."""

    seconds: float = 5.0
    rows: int = 10_000
    """Rows that come back; further ones are counted only."""
    counted_rows: int = 100_000
    """Where counting ends, too; past it the number of rows is unknown."""
    num_bytes: int = 8 << 20
    """Size of the rows as they travel; the rows that fit come back. A first row that does not fit is an error."""


DEFAULT = Limits()
