"""Walks per second and memory over a graph.

    OMP_NUM_THREADS=1 python -m benchmarks.walks [FOLDER WITH triples.tsv.gz AND entities.tsv]

Without a folder the atlas is walked. The goal: 100,000 walks of 4 edges over FB15k-237 in 5 s.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lib.progress import Silent
from lib.settings.source import AtlasSource, SourceSettings, TriplesSource
from lib.sources.build import build_graph
from lib.sources.graph import load_graph
from lib.synthesis.knowledge.walks import walk

NUM_WALKS, HOPS = 100_000, 4


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
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    walks = walk(graph.adjacency, starts, hops=HOPS, generator=generator)
    seconds = time.perf_counter() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    num_facts = sum(row["num_facts"] for row in graph.relations)
    print(
        f"{num_facts:,} facts, {len(graph):,} entities: built in {built - started:.1f} s, loaded in {loaded - built:.1f} s"
    )
    print(f"{NUM_WALKS:,} walks of {HOPS} edges in {seconds:.2f} s, {NUM_WALKS / seconds:,.0f} a second")
    print(f"{(walks.lengths == HOPS).mean():.1%} of full length; memory grew by {grown:.0f} MiB")


if __name__ == "__main__":
    main()
