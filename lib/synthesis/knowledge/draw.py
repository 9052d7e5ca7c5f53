"""Draws paths inside one split.

In: the graph, the split of every entity and the settings. Out: batches of paths whose entities all lie
in the split. Only steps that lead to exactly one entity are walked; start entities are drawn so that a
type with few entities is not lost beside one with thousands.
"""

from __future__ import annotations

import numpy as np

from lib.settings.synthesis import SynthesisSettings
from lib.sources.graph import KnowledgeGraph
from lib.synthesis.knowledge.paths import Path, cut_paths
from lib.synthesis.knowledge.walks import walk


class PathDrawer:
    """An endless source of paths; the same seed gives the same paths in the same order."""

    def __init__(self, graph: KnowledgeGraph, inside: np.ndarray, settings: SynthesisSettings, *, seed: int):
        """``inside`` [num_entities] is true for the entities of the split."""
        self._graph, self._settings = graph, settings
        self._generator = np.random.default_rng(seed)
        whole = graph.adjacency
        mask = inside[whole.sources] & inside[whole.targets] & (whole.fan_out == 1)
        self._adjacency = whole.keep(mask)
        degrees = graph.degrees
        self._may_leave = (degrees >= settings.min_degree) & (degrees <= settings.max_degree)
        self._weights = _start_weights(graph, inside & self._may_leave, settings.start_types)

    @property
    def can_start(self) -> bool:
        return bool(self._weights.sum() > 0)

    def draw(self, number: int) -> list[Path]:
        """Paths of ``number`` walkers; fewer, since some walks end early."""
        settings, generator = self._settings, self._generator
        starts = generator.choice(len(self._graph), size=number, p=self._weights)
        lookups = generator.integers(settings.min_hops, settings.max_hops + 1, size=number)
        walks = walk(self._adjacency, starts, hops=settings.max_hops, generator=generator, may_leave=self._may_leave)
        return cut_paths(self._graph, walks, lookups=lookups, answer=settings.answer, generator=generator)


def _start_weights(graph: KnowledgeGraph, allowed: np.ndarray, start_types: tuple[str, ...]) -> np.ndarray:
    """[num_entities], summing to 1: every type counts with the square root of its number of entities."""
    types, codes = np.unique(np.array(graph.types), return_inverse=True)
    if start_types:
        allowed = allowed & np.isin(types, start_types)[codes]
    counts = np.bincount(codes[allowed], minlength=len(types))
    weights = np.where(allowed, 1 / np.sqrt(np.maximum(counts, 1))[codes], 0.0)
    return weights / weights.sum() if weights.sum() else weights
