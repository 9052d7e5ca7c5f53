"""Whether walks of the wanted length exist in a graph at all, told before the filters go hungry.

In: a graph, the settings and the graph's inspection. Out: a line in the log, or none.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lib.settings.synthesis import SynthesisSettings
from lib.sources.graph import Adjacency, KnowledgeGraph
from lib.synthesis.knowledge.draw import may_be_walked
from lib.synthesis.knowledge.walks import walk

logger = logging.getLogger("ropewalk.synthesis")

NUM_WALKS = 2000
# Fewer walks of full length than this and questions of that length hardly come about.
LEAST_SHARE = 0.01


def warn_of_short_walks(graph: KnowledgeGraph, settings: SynthesisSettings, *, inspection: Path, seed: int) -> None:
    """Log a warning where walks from random entities end before ``max_hops`` look-ups.

    Args:
        inspection: the table that a source writes beside its graph.
    """
    walkable = graph.adjacency.keep(may_be_walked(graph.adjacency, settings))
    edges = settings.max_hops - (settings.answer != "entity")  # an attribute is a look-up without an edge
    share = _share_of_full_walks(walkable, edges, seed)
    if share >= LEAST_SHARE:
        return
    wanted = f"synthesis.max_hops={settings.max_hops} needs walks of {edges} steps, and {share:.1%} of them get so far"
    if _share_of_full_walks(graph.adjacency, edges, seed) >= LEAST_SHARE:
        cause, remedy = "to more entities than one clue tells apart", "lower synthesis.max_hops"
        if not settings.extra_clues:
            cause, remedy = "to several entities", f"raise synthesis.extra_clues, or {remedy}"
        logger.warning("%s: most steps lead %s. Questions will be shorter; %s.", wanted, cause, remedy)
        return
    found = pq.read_table(inspection).to_pylist()[0]
    logger.warning(
        "%s: the graph falls into %s components, the largest with %.1f%% of %s entities; %.1f%% have no neighbour. "
        "Questions will be shorter; lower synthesis.max_hops, or give the source facts that connect its entities.",
        wanted,
        f"{found['num_components']:,}",
        100 * found["largest_component_share"],
        f"{found['num_entities']:,}",
        100 * found["isolated_share"],
    )


def _share_of_full_walks(adjacency: Adjacency, edges: int, seed: int) -> float:
    generator = np.random.default_rng(seed)
    starts = generator.integers(adjacency.num_nodes, size=NUM_WALKS)
    return float((walk(adjacency, starts, hops=edges, generator=generator).lengths == edges).mean())
