"""Every entity belongs to exactly one split, and few facts run between splits.

In: a graph and shares. Out: a split for every entity. The method is restreamed linear deterministic
greedy partitioning (Stanton and Kliot, KDD 2012; Nishimura and Ugander, KDD 2013): entities come by,
hubs first, and each joins the split where most of its neighbours are, weighed by the room left there.
Room is counted by entity type, so that every split gets its share of countries, of airports, ...
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from data_contracts.questions import SPLITS
from lib.sources.graph import KnowledgeGraph

PASSES = 4  # after the fourth pass over the atlas hardly an entity moves
SLACK = 1.05  # room beyond a split's exact share, so that neighbours may stay together


def assign_splits(graph: KnowledgeGraph, *, validation_share: float, test_share: float, seed: int) -> np.ndarray:
    """[num_entities], positions in SPLITS."""
    generator = np.random.default_rng(seed)
    shares = np.array([1 - validation_share - test_share, validation_share, test_share])
    types, type_codes = np.unique(np.array(graph.types), return_inverse=True)
    room = np.array([_divide(count, shares) for count in np.bincount(type_codes, minlength=len(types))])
    neighbours = [graph.adjacency.targets[a:b].tolist() for a, b in _ranges(graph.adjacency.offsets)]
    order = np.lexsort((generator.random(len(graph)), -graph.degrees)).tolist()
    splits = [-1] * len(graph)
    sizes = [[0] * len(SPLITS) for _ in types]
    codes, rooms = type_codes.tolist(), room.tolist()
    for _ in range(PASSES):
        for node in order:
            size = sizes[codes[node]]
            if splits[node] >= 0:
                size[splits[node]] -= 1
            splits[node] = _choose(splits, neighbours[node], size, rooms[codes[node]])
            size[splits[node]] += 1
    return np.array(splits, dtype=np.int8)


def _choose(splits: list[int], neighbours: list[int], size: list[int], room: list[float]) -> int:
    """The split with most neighbours times room; without any, the one with most room."""
    counts = defaultdict(int)
    for neighbour in neighbours:
        counts[splits[neighbour]] += 1
    free = [1 - size[i] / room[i] if room[i] else -1.0 for i in range(len(SPLITS))]
    scores = [(counts[i] * free[i] if free[i] > 0 else -1.0, free[i]) for i in range(len(SPLITS))]
    return max(range(len(SPLITS)), key=scores.__getitem__)


def _divide(count: int, shares: np.ndarray) -> list[float]:
    """Whole numbers of entities near the shares, by largest remainder, with some slack above."""
    exact = count * shares
    whole = np.floor(exact)
    for i in np.argsort(-(exact - whole), kind="stable")[: int(round(count - whole.sum()))]:
        whole[i] += 1
    return [float(np.ceil(value * SLACK)) for value in whole]


def _ranges(offsets: np.ndarray) -> list[tuple[int, int]]:
    return list(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
