"""Which items a step takes, when every pass over the set goes in an order of its own."""

from __future__ import annotations

import numpy as np

from lib.seeds import derive_seed


def items_of_step(num_items: int, *, step: int, per_step: int, seed: int) -> list[int]:
    """Places ``[per_step]`` of step ``step`` (from 0).

    They depend on the arguments alone, so a resumed run draws the same.
    """
    chosen = []
    for place in range(step * per_step, (step + 1) * per_step):
        epoch, offset = divmod(place, num_items)
        order = np.random.default_rng(derive_seed(seed, "pass", epoch)).permutation(num_items)
        chosen.append(int(order[offset]))
    return chosen
