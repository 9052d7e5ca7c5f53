"""Draws paths inside one split.

In: the graph, the split of every entity and the settings. Out: batches of paths whose entities all lie
in the split. Steps that lead to exactly one entity are walked and, where the settings allow clues, those
that lead to a few, each with a clue that tells its entity apart; a share of the starts is described
instead of named. Start entities are drawn so that a
type with few entities is not lost beside one with thousands.
"""

from __future__ import annotations

import dataclasses
import random

import numpy as np

from lib.settings.synthesis import SynthesisSettings
from lib.sources.graph import Adjacency, KnowledgeGraph
from lib.synthesis.knowledge.clues import AttributeIndex, ClueBook
from lib.synthesis.knowledge.paths import Clue, Path, cut_paths
from lib.synthesis.knowledge.walks import walk

# Candidates among which one clue can be expected to tell an entity apart.
WIDEST_STEP = 40


class PathDrawer:
    """An endless source of paths; the same seed gives the same paths in the same order."""

    def __init__(
        self,
        graph: KnowledgeGraph,
        inside: np.ndarray,
        settings: SynthesisSettings,
        *,
        index: AttributeIndex,
        seed: int,
    ):
        """``inside`` [num_entities] is true for the entities of the split."""
        self._graph, self._settings = graph, settings
        self._generator = np.random.default_rng(seed)
        whole = graph.adjacency
        mask = inside[whole.sources] & inside[whole.targets] & may_be_walked(whole, settings)
        self._adjacency = whole.keep(mask)
        self._book = ClueBook(graph, inside, index)
        self._chance = random.Random(seed)
        degrees = graph.degrees
        self._may_leave = (degrees >= settings.min_degree) & (degrees <= settings.max_degree)
        self._weights = _start_weights(graph, inside & self._may_leave & ~graph.unnamed, settings.start_types)

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

    def add_clues(self, path: Path) -> Path | None:
        """The path with the clues that it needs, and maybe its start described; None where none is found."""
        clues: list[tuple[int, Clue]] = []
        avoid, last = set(path.nodes), len(path.steps)
        asked = path.attribute["name"] if path.attribute else ""
        for position, step in enumerate(path.steps, start=1):
            node, others = path.nodes[position], self._graph.adjacency.follow(path.nodes[position - 1], step)
            if len(others) == 1:
                continue
            if len(clues) == self._settings.extra_clues:
                return None
            blurred = self._chance.random() < self._settings.blur
            of_answer = asked if position == last else ""
            clue = self._book.tell_apart(
                node, others, avoid=avoid, chance=self._chance, blurred=blurred, asked=of_answer
            )
            if clue is None:
                return None
            clues.append((position, clue))
        if self._chance.random() < self._settings.blur:
            of_answer = asked if last == 0 else ""
            described = self._book.describe(path.nodes[0], avoid=avoid, chance=self._chance, asked=of_answer)
            if described is None:
                return None
            clues += [(0, clue) for clue in described]
        return dataclasses.replace(path, clues=tuple(clues)) if clues else path


def may_be_walked(adjacency: Adjacency, settings: SynthesisSettings) -> np.ndarray:
    """[num_steps], true for steps that lead to one entity, or to a few where clues may tell them apart."""
    return adjacency.fan_out <= (WIDEST_STEP if settings.extra_clues else 1)


def _start_weights(graph: KnowledgeGraph, allowed: np.ndarray, start_types: tuple[str, ...]) -> np.ndarray:
    """[num_entities], summing to 1: every type counts with the square root of its number of entities."""
    types, codes = np.unique(np.array(graph.types), return_inverse=True)
    if start_types:
        allowed = allowed & np.isin(types, start_types)[codes]
    counts = np.bincount(codes[allowed], minlength=len(types))
    weights = np.where(allowed, 1 / np.sqrt(np.maximum(counts, 1))[codes], 0.0)
    return weights / weights.sum() if weights.sum() else weights
