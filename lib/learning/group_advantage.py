"""Group-relative advantages (GRPO): an episode is compared with the others of its question.

A_i = (r_i - mean(r)) / (std(r) + eps), or r_i - mean(r) without the division (Dr. GRPO). A group
whose episodes all succeed or all fail carries no signal and is dropped whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Keeps the division finite; small against any standard deviation of 0/1 rewards.
EPSILON = 1e-6


def group_advantages(rewards: Sequence[float], *, divide_by_std: bool) -> np.ndarray:
    """Advantages ``[group]`` of one group's rewards, with the population standard deviation."""
    values = np.asarray(rewards, dtype=np.float64)
    centred = values - values.mean()
    return centred / (values.std() + EPSILON) if divide_by_std else centred


def has_signal(successes: Sequence[float]) -> tuple[bool, str]:
    """Whether a group's outcomes differ, and if not, how they agree."""
    if max(successes) > min(successes):
        return True, ""
    return False, "all right" if successes[0] > 0 else "all wrong"
