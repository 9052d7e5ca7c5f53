"""Which images the questions of a split are about: no image is in two, nor one that looks like it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from lib.seeds import derive_seed


def split_looks(
    looks: Iterable[tuple[str, str]], *, validation_share: float, test_share: float, seed: int
) -> dict[str, str]:
    """Split by look, for pairs of (collection, look); each collection is shared out by itself.

    A collection of fewer than three looks is all for training.
    """
    by_collection: dict[str, set[str]] = defaultdict(set)
    taken: set[str] = set()
    for collection, look in looks:
        if look not in taken:
            by_collection[collection].add(look)
            taken.add(look)
    splits: dict[str, str] = {}
    for own in by_collection.values():
        order = sorted(own, key=lambda look: derive_seed(seed, "image splits", look))
        test = round(len(order) * test_share) or 1
        validation = round(len(order) * validation_share) or 1
        if len(order) < 3:
            test = validation = 0
        for place, look in enumerate(order):
            splits[look] = "test" if place < test else "validation" if place < test + validation else "train"
    return splits
