"""Which items a step takes, when every pass over the set goes in an order of its own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lib.seeds import derive_seed


def items_of_step(num_items: int, *, step: int, per_step: int, seed: int) -> list[int]:
    """Places ``[per_step]`` of step ``step`` (from 0); distinct ones while the set has so many.

    They depend on the arguments alone, so a resumed run draws the same.
    """
    first, last = step * per_step, (step + 1) * per_step
    chosen: list[int] = []
    for number, order in enumerate(_passes(num_items, per_step, seed)):
        begin = number * num_items
        chosen += order[max(0, first - begin) : max(0, last - begin)]
        if begin + num_items >= last:
            return chosen
    raise AssertionError("passes have no end")


def _passes(num_items: int, per_step: int, seed: int) -> Iterator[list[int]]:
    """Orders of the items, pass after pass. A step that takes the rest of one pass goes on in the next, where
    what it holds already comes last."""
    held: set[int] = set()
    number = 0
    while True:
        drawn = np.random.default_rng(derive_seed(seed, "pass", number)).permutation(num_items).tolist()
        order = sorted(drawn, key=held.__contains__)
        yield order
        number += 1
        rest = number * num_items % per_step
        held = set(order[-rest:]) if rest else set()
