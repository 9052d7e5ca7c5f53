"""Seconds of a run that the cache answers whole, against the run that computed it.

    python -m benchmarks.cached_run [--profile nano] [--store STORE] [--repeats 3]

With a store that already holds the profile's run, only cached runs are timed. Each starts its own Prefect server;
the second column uses one that is running.
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


def run(profile: str, store: Path, url: str | None = None) -> float:
    environment = os.environ | ({"PREFECT_API_URL": url} if url else {})
    started = time.perf_counter()
    line = [sys.executable, "-m", "flows.cli", "run", "--profile", profile, "--store", str(store), "--json"]
    subprocess.run(line, check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="nano")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store = chosen.store or Path(name) / "store"
        first = run(chosen.profile, store)
        alone = [run(chosen.profile, store) for _ in range(chosen.repeats)]
        server = LocalServer(Path(name) / "prefect")
        server.start()
        try:
            server.wait()
            shared = [run(chosen.profile, store, server.url) for _ in range(chosen.repeats)]
        finally:
            server.stop()
    print(f"first run                     {first:7.1f} s")
    print(f"cached, server started        {statistics.median(alone):7.1f} s (median of {chosen.repeats})")
    print(f"cached, server running        {statistics.median(shared):7.1f} s")
    print(f"cached / first                {statistics.median(alone) / first:7.3f}")


if __name__ == "__main__":
    main()
