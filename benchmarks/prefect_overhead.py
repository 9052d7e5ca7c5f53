"""What Prefect costs: the chain as `ropewalk run` against the same stages called one after the other.

    python -m benchmarks.prefect_overhead [--profile nano] [--repeats 3]

Both as processes of their own, imports included, each on a store of its own: first uncached, then from the cache.
The runs of a pair follow each other, so that a change of the machine's speed meets both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows.operating.server import LocalServer

# Every stage by tasks.stage alone, in the order of the chain: no flow, no server, no pages.
BARE = """
import sys
from pathlib import Path
from flows.stages import STAGES
from lib.settings.load import load_settings
from tasks.run import Run
from tasks.stage import run_stage

run, references = Run(load_settings(sys.argv[1]), Path(sys.argv[2])), {}
for stage in STAGES:
    references[stage.name], _ = run_stage(stage, run, {item.name: references[item.name] for item in stage.inputs})
"""


def seconds_of(line: list[str], url: str | None = None) -> float:
    started = time.perf_counter()
    environment = os.environ | ({"PREFECT_API_URL": url} if url else {})
    subprocess.run([sys.executable, *line], check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    rows: dict[str, list[tuple[float, float, float]]] = {"uncached": [], "cached": []}
    with tempfile.TemporaryDirectory() as name:
        server = LocalServer(Path(name) / "server")
        server.start()
        try:
            server.wait()
            for repeat in range(chosen.repeats):
                bare, whole, shared = (str(Path(name) / f"{kind}-{repeat}") for kind in ("bare", "whole", "shared"))
                run = ["-m", "flows.cli", "run", "--profile", chosen.profile, "--json", "--store"]
                for what in rows:
                    times = (
                        seconds_of(["-c", BARE, chosen.profile, bare]),
                        seconds_of([*run, whole]),
                        seconds_of([*run, shared], server.url),
                    )
                    rows[what].append(times)
                    print(f"{what}: {', '.join(f'{value:.1f}' for value in times)} s", file=sys.stderr, flush=True)
        finally:
            server.stop()
    print("| run | stages alone | with Prefect, its server started | with a server running | share of Prefect |")
    print("|---|---|---|---|---|")
    for what, times in rows.items():
        bare, whole, shared = (statistics.median(column) for column in zip(*times, strict=True))
        share = statistics.median((b - a) / b for a, b, _ in times)
        print(
            f"| {what} | {bare:.1f} s | {whole:.1f} s (+{whole - bare:.1f}) | {shared:.1f} s (+{shared - bare:.1f}) "
            f"| {100 * share:.0f} % |"
        )


if __name__ == "__main__":
    main()
