"""Walks per second and memory over a graph.

    OMP_NUM_THREADS=1 python -m benchmarks.walks [FOLDER WITH triples.tsv.gz AND entities.tsv]

Without a folder the atlas is walked. The goal: 100,000 walks of 4 edges over FB15k-237 in 5 s.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lib.progress import Silent
from lib.settings.source import AtlasSource, SourceSettings, TriplesSource
from lib.sources.build import build_graph
from lib.sources.graph import load_graph
from lib.synthesis.knowledge.walks import walk

NUM_WALKS, HOPS, REPEATS = 100_000, 4, 7
MIB = 2**20


def main() -> None:
    source: SourceSettings = AtlasSource()
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
        source = TriplesSource(type="triples", triples=folder / "triples.tsv.gz", entities=folder / "entities.tsv")
    with tempfile.TemporaryDirectory() as name:
        started = time.perf_counter()
        build_graph(source, out=Path(name), progress=Silent())
        built = time.perf_counter()
        graph = load_graph(Path(name))
        loaded = time.perf_counter()
    generator = np.random.default_rng(0)
    starts = generator.choice(np.flatnonzero(graph.degrees), NUM_WALKS)
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        walks = walk(graph.adjacency, starts, hops=HOPS, generator=generator)
        seconds.append(time.perf_counter() - begun)
    peak = _peak_bytes(lambda: walk(graph.adjacency, starts, hops=HOPS, generator=generator))
    adjacency = graph.adjacency
    held = sum(array.nbytes for array in (adjacency.offsets, adjacency.steps, adjacency.targets, adjacency.fan_out))
    num_facts = sum(row["num_facts"] for row in graph.relations)
    edge_list = num_facts * 3 * 4
    print(f"{num_facts:,} facts, {len(graph):,} entities")
    print(f"built in {built - started:.1f} s, loaded in {loaded - built:.1f} s")
    print(f"{NUM_WALKS:,} walks of {HOPS} edges in {statistics.median(seconds):.3f} s (median of {REPEATS}),")
    print(f"slowest {max(seconds):.3f} s; {(walks.lengths == HOPS).mean():.1%} of full length")
    print(
        f"edge list {edge_list / MIB:.1f} MiB, adjacency {held / MIB:.1f} MiB, walks {peak / MIB:.1f} MiB at their peak"
    )


def _peak_bytes(work: Callable[[], object]) -> int:
    """What the work allocates at its peak; the process's own high-water mark was set by building the graph."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    main()
