"""What learning gives over several seeds, and what the same minutes of more warm-up would have given.

    python -m benchmarks.learning --seeds 0 1 2 [--domain knowledge] [--profile laptop] [--store STORE] [--set K=V ...]

For each seed: the whole chain on one domain, then a warm-up that is longer by as many steps as fit into the time that
the reinforcement took, judged greedily on the same held-out questions. Prints a Markdown table with 95 % intervals.
Everything is cached, so an interrupted measurement goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_contracts.scores import HELD_OUT
from lib.bootstrap import Interval, bootstrap_mean
from lib.percent import percent
from lib.policy.engines import Engines
from lib.progress import Silent
from lib.rollout.attempt import attempt
from lib.rollout.choose_questions import choose_questions
from lib.rollout.worlds import Sources
from lib.seeds import derive_seed
from lib.settings.load import load_settings
from lib.settings.synthesis import DOMAINS

POLICIES = ("base", "warm_up", "reinforce", "extrapolate")


def ropewalk(chosen: argparse.Namespace, seed: int, *arguments: str, settings: tuple[str, ...] = ()) -> dict:
    line = [sys.executable, "-m", "flows.cli", "run", "--profile", chosen.profile, "--store", str(chosen.store)]
    line += ["--seed", str(seed), "--domains", chosen.domain, "--json", *arguments]
    for setting in (*chosen.settings, *settings):
        line += ["--set", setting]
    return json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout)


def path_of(chosen: argparse.Namespace, result: dict, stage: str) -> Path:
    item = result["artifacts"][stage]
    return chosen.store / "artifacts" / item["kind"] / item["digest"]


def longer_warm_up(chosen: argparse.Namespace, seed: int, result: dict) -> tuple[int, Interval]:
    """Steps and held-out accuracy of a warm-up that also had the reinforcement's time."""
    settings, name = load_settings(chosen.profile, chosen.settings, seed), f"{HELD_OUT}{chosen.domain}"
    made = {stage: path_of(chosen, result, stage) for stage in ("source", "databases") if stage in result["artifacts"]}
    warm = pq.read_table(path_of(chosen, result, "warm_up") / "steps.parquet")
    learned = pq.read_table(path_of(chosen, result, "reinforce") / "steps.parquet")
    seconds = pc.sum(learned["seconds_rollout"]).as_py() + pc.sum(learned["seconds_train"]).as_py()
    steps = len(warm) + round(seconds / np.nanmedian(warm["seconds_train"].to_numpy()))
    longer = ropewalk(chosen, seed, "--only", "warm_up", settings=(f"warm_up.steps={steps}",))
    questions = choose_questions(
        path_of(chosen, result, "synthesize") / "questions.parquet",
        split="test",
        count=settings.evaluate.questions,
        seed=derive_seed(settings.seed, "evaluate"),
    )
    with Engines(settings.engine, logs=chosen.store) as engines:
        episodes = attempt(
            questions,
            engines=engines,
            sources=Sources.of(made),
            checkpoint=path_of(chosen, longer, "warm_up") / "checkpoint",
            policy="longer_warm_up",
            benchmark=name,
            settings=settings,
            seed=derive_seed(settings.seed, "evaluate", name),
            progress=Silent(),
        )
    correct = np.asarray(episodes["correct"].to_pylist(), dtype=float)
    return steps, bootstrap_mean(correct, resamples=settings.evaluate.bootstrap_resamples, seed=seed, is_share=True)


def show(value: float, low: float, high: float) -> str:
    return f"{percent(value)} ({percent(low)} to {percent(high)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--domain", choices=DOMAINS, default="knowledge")
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--store", type=Path, default=Path(".ropewalk"))
    parser.add_argument("--set", dest="settings", action="append", default=[])
    chosen = parser.parse_args()
    print("| seed | base | warmed up | reinforced | extrapolated | warm-up for the same minutes |")
    print("|---|---|---|---|---|---|")
    for seed in chosen.seeds:
        result = ropewalk(chosen, seed)
        held_out = [row for row in result["accuracy"] if row["benchmark"] == f"{HELD_OUT}{chosen.domain}"]
        rows = {row["policy"]: row for row in held_out}
        cells = [show(*(rows[name][key] for key in ("value", "low", "high"))) for name in POLICIES]
        steps, interval = longer_warm_up(chosen, seed, result)
        cells.append(f"{show(interval.value, interval.low, interval.high)}, {steps} steps")
        print(f"| {seed} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
