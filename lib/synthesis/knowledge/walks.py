"""Random walks over unvisited nodes, all walkers at once.

In: an adjacency and starting nodes. Out: the nodes and steps of every walker. A walker draws one of
the steps out of its node uniformly among those that lead to a node it has not seen and that may be
entered; one without such a step stops. Memory is a few numbers a walker, never a copy of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lib.sources.graph import Adjacency

# Draws before a walker's steps are listed: most walkers succeed at once, and listing a hub is dear.
DRAWS = 6
# Steps listed at once for walkers whose draws all failed, which bounds memory.
LISTED_STEPS = 4_000_000


@dataclass(frozen=True)
class Walks:
    """``nodes`` [num_walkers, hops + 1] and ``steps`` [num_walkers, hops], -1 after a walker stopped."""

    nodes: np.ndarray
    steps: np.ndarray

    @property
    def lengths(self) -> np.ndarray:  # [num_walkers], edges walked
        return (self.steps >= 0).sum(axis=1)


def walk(
    adjacency: Adjacency,
    starts: np.ndarray,
    *,
    hops: int,
    generator: np.random.Generator,
    may_leave: np.ndarray | None = None,
) -> Walks:
    """Walk ``hops`` edges from every start.

    Args:
        starts: [num_walkers], node codes.
        may_leave: [num_nodes], false for nodes at which a walk ends (a degree window, for instance);
            a start may always be left.
    """
    nodes = np.full((len(starts), hops + 1), -1, dtype=np.int32)
    steps = np.full((len(starts), hops), -1, dtype=np.int32)
    nodes[:, 0] = starts
    active = np.arange(len(starts))
    for hop in range(hops):
        if hop and may_leave is not None:
            active = active[may_leave[nodes[active, hop]]]
        edges = _choose_edges(adjacency, nodes[active, : hop + 1], generator)
        active, edges = active[edges >= 0], edges[edges >= 0]
        nodes[active, hop + 1] = adjacency.targets[edges]
        steps[active, hop] = adjacency.steps[edges]
    return Walks(nodes, steps)


def _choose_edges(adjacency: Adjacency, visited: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A position in the adjacency for every walker, -1 where no unvisited node is in reach.

    Rejection first: a draw that hits a visited node is drawn again, which keeps the choice uniform.
    """
    here = visited[:, -1]
    low, num_steps = adjacency.offsets[here], np.diff(adjacency.offsets)[here]
    chosen = np.full(len(here), -1, dtype=np.int64)
    open_ = np.flatnonzero(num_steps > 0)
    for _ in range(DRAWS):
        if len(open_) == 0:
            return chosen
        draws = low[open_] + (generator.random(len(open_)) * num_steps[open_]).astype(np.int64)
        fresh = (adjacency.targets[draws][:, None] != visited[open_]).all(axis=1)
        chosen[open_[fresh]] = draws[fresh]
        open_ = open_[~fresh]
    cuts = np.searchsorted(np.cumsum(num_steps[open_]), np.arange(LISTED_STEPS, num_steps[open_].sum(), LISTED_STEPS))
    for part in np.split(open_, cuts):
        chosen[part] = _choose_listed(adjacency, visited[part], low[part], num_steps[part], generator)
    return chosen


def _choose_listed(
    adjacency: Adjacency, visited: np.ndarray, low: np.ndarray, counts: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """The same choice by listing every step of the few walkers that are left."""
    owners = np.repeat(np.arange(len(low)), counts)
    edges = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(low, counts)
    fresh = (adjacency.targets[edges][:, None] != visited[owners]).all(axis=1)
    owners, edges = owners[fresh], edges[fresh]
    order = np.lexsort((generator.random(len(edges)), owners))
    owners, first = np.unique(owners[order], return_index=True)
    chosen = np.full(len(low), -1, dtype=np.int64)
    chosen[owners] = edges[order][first]
    return chosen
