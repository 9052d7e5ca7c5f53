"""Filtered questions per second from the atlas.

    OMP_NUM_THREADS=1 python -m benchmarks.questions [NUMBER]

The goal: 5,000 in 10 s.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from lib.progress import Silent
from lib.settings.source import AtlasSource
from lib.settings.synthesis import SynthesisSettings
from lib.sources.build import build_graph
from lib.synthesis.knowledge.synthesize import synthesize

VARIANTS = {
    "plain": {"max_hops": 3},
    "hard": {"min_hops": 2, "max_hops": 4, "blur": 0.5, "extra_clues": 2},
}


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with tempfile.TemporaryDirectory() as name:
        graph = Path(name) / "graph"
        started = time.perf_counter()
        build_graph(AtlasSource(), out=graph, progress=Silent())
        print(f"atlas built in {time.perf_counter() - started:.1f} s")
        for variant, values in VARIANTS.items():
            started = time.perf_counter()
            settings = SynthesisSettings.model_validate({"num_questions": number, **values})
            kept = len(synthesize(settings, graph=graph, seed=0, progress=Silent()).rows)
            seconds = time.perf_counter() - started
            print(f"{variant}: {kept:,} questions in {seconds:.2f} s, {kept / seconds:,.0f} a second")


if __name__ == "__main__":
    main()
