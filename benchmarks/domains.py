"""What a run of all domains costs against runs of one: seconds of each stage, with the same steps and episodes.

    python -m benchmarks.domains [--profile laptop] [--steps 2]

Each set of domains has a store of its own below a temporary folder. Training is cut to a few steps, so the seconds of a
step are what to compare, not the scores; those of align are of 100 steps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SETS = (("knowledge",), ("sql",), ("vision",), ("knowledge", "sql", "vision"))
STAGES = ("source", "databases", "images", "synthesize", "base", "align", "demonstrate", "warm_up", "reinforce")
SOURCE_OF = {"source": "knowledge", "databases": "sql", "images": "vision", "align": "vision"}
# Settings of steps, and of how many a cell of the table is the time.
TRAINED = {"align": ("word_steps", 100), "warm_up": ("steps", 1), "reinforce": ("steps", 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--steps", type=int, default=2)
    chosen = parser.parse_args()
    print(f"| domains | {' | '.join(STAGES)} |\n|{'---|' * (1 + len(STAGES))}")
    for domains in SETS:
        with tempfile.TemporaryDirectory() as store:
            seconds = measure(domains, Path(store), chosen.profile, chosen.steps)
        cells = [f"{seconds[stage]:.1f}" if stage in seconds else "" for stage in STAGES]
        print(f"| {', '.join(domains)} | {' | '.join(cells)} |", flush=True)


def measure(domains: tuple[str, ...], store: Path, profile: str, steps: int) -> dict[str, float]:
    """Seconds by stage; of training stages those of as many steps as TRAINED says."""
    cut = [f"{stage}.{key}={steps * number}" for stage, (key, number) in TRAINED.items()]
    cut.append("reinforce.trajectory_every=1")
    options = ["--profile", profile, "--store", str(store)]
    options += [word for domain in domains for word in ("--domains", domain)]
    options += [word for setting in cut for word in ("--set", setting)]
    for stage in STAGES:
        if SOURCE_OF.get(stage, domains[0]) in domains:
            _ropewalk("run", *options, "--only", stage)
    found = {item["stage"]: item["seconds"] for item in json.loads(_ropewalk("artifacts", "--store", store, "--json"))}
    return found | {stage: found[stage] / steps for stage in TRAINED if stage in found}


def _ropewalk(*arguments: object) -> str:
    command = [sys.executable, "-m", "flows.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
