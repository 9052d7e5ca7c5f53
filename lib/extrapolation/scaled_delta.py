"""The baseline that extrapolation has to beat: the last delta, scaled.

``θ_0 + s (θ_T - θ_0)``. The replication of RELEX finds that scaling an early update does as well as
the rank-1 line on mathematics, so every sweep holds both.
"""

from __future__ import annotations

import torch


def scale_delta(base: torch.Tensor, last: torch.Tensor, scale: float) -> torch.Tensor:
    """In float32, whatever was saved; scale 1 gives ``last`` up to rounding."""
    base = base.float()
    return base + scale * (last.float() - base)
