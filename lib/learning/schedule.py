"""Learning rates: a linear rise, then constant or a cosine fall."""

from __future__ import annotations

import math

# Share of the peak at which the fall ends: the last steps still move.
FLOOR = 0.1


def constant_with_warmup(step: int, *, peak: float, warmup_steps: int) -> float:
    """Rate of optimizer step ``step`` (from 0)."""
    return peak * min(1.0, (step + 1) / (warmup_steps + 1))


def cosine_with_warmup(step: int, *, peak: float, warmup_steps: int, steps: int) -> float:
    """The same, falling along a cosine to ``FLOOR * peak`` at the last step."""
    if step < warmup_steps:
        return constant_with_warmup(step, peak=peak, warmup_steps=warmup_steps)
    share = (step - warmup_steps) / max(1, steps - 1 - warmup_steps)
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
