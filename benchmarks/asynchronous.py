"""Reinforcement with slow tools: what each way of not waiting is worth, and whether it learns as much.

    python -m benchmarks.asynchronous --run STORE [--profile laptop] [--latencies 0 0.05 0.5] [--seeds 0 1 2]
        [--slow 0.0] [--rows ROW ...] [--set K=V]

STORE has a run of that profile with the domain `knowledge`, whose warmed-up policy every row starts from. A row is a
process of its own that reinforces it on that domain for `reinforce.steps` steps of eight groups of eight episodes, with
tools that take so many seconds a call (the share --slow of them ten times as long), and then answers held-out questions
greedily. The rows of one seed follow each other before the next seed's, since a machine's speed changes by the hour.

    one by one    calls of all episodes wait for each other, then the step trains
    sync          calls side by side, then the step trains
    one step off  the next step's episodes are sampled while one trains
    two steps off sampling runs ahead by two steps, and finished groups are trained on first
    async         the same, and weights change under the episodes instead of waiting for them

Prints seconds a step and of it those that the trainer waits for episodes, how many times as fast as the row above and
as sync (medians over seeds), the accuracy over all seeds, and how far it is from that of sync on the same questions
and seeds, with 95 % intervals for which both questions and seeds are drawn again. What each row found goes to standard
error as soon as it has ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.versions import tell_versions
from benchmarks.warmed_up import DOMAIN, WarmedUp, become_the_only_rank
from lib.workers.launch import KEEP_MEMORY

REPOSITORY = Path(__file__).resolve().parents[1]
TAIL = 10.0  # times as long takes a slow call
GROUPS, GROUP = 8, 8
RESAMPLES = 2000


class Way(NamedTuple):
    """Of not waiting."""

    mode: str
    one_by_one: bool = False
    in_flight: bool = False


WAYS = {
    "one by one": Way("sync", one_by_one=True),
    "sync": Way("sync"),
    "one step off": Way("one_step_off"),
    "two steps off": Way("async"),
    "async": Way("async", in_flight=True),
}


class SlowEnvironment:
    """Another environment whose calls take longer, and wait for each other where there is a lock."""

    def __init__(self, inner, worlds: SlowWorlds):
        self._inner, self._worlds = inner, worlds
        self.start, self.parse_answer = inner.start, inner.parse_answer

    async def step(self, calls):
        async with self._worlds.lock or nullcontext():
            latencies = [self._worlds.draw_latency() for _ in calls]
            await asyncio.sleep(sum(latencies) if self._worlds.lock else max(latencies, default=0.0))
        return await self._inner.step(calls)


class SlowWorlds:
    """Stands in for lib.rollout.worlds.Worlds, of which episodes use no more than this."""

    def __init__(self, inner, chosen: argparse.Namespace):
        self._inner, self._latency, self._slow = inner, chosen.latency, chosen.slow
        self._draw = random.Random(chosen.seed)
        self.lock = asyncio.Lock() if WAYS[chosen.row].one_by_one else None

    def draw_latency(self) -> float:
        return self._latency * (TAIL if self._draw.random() < self._slow else 1.0)

    def of(self, question):
        return self

    def make_environment(self, question):
        return SlowEnvironment(self._inner.of(question).make_environment(question), self)

    async def judge(self, question, outcome):
        return await self._inner.of(question).judge(question, outcome)


def reinforce(chosen: argparse.Namespace) -> dict[str, object]:
    """One row: seconds of its steps, and which validation questions the policy answers then."""
    become_the_only_rank()
    from lib.learning.reinforce import load_learner, reinforce_step
    from lib.learning.reinforce_results import ReinforceResults
    from lib.policy.engines import Engines
    from lib.progress import Silent
    from lib.rollout.attempt import episode_limits
    from lib.rollout.collect import collect_episodes
    from lib.rollout.stream import RolloutStream
    from lib.settings.load import load_settings
    from lib.workers.job import Job

    size = [f"reinforce.groups={GROUPS}", f"reinforce.group_size={GROUP}"]
    mode = f"reinforce.mode={WAYS[chosen.row].mode}"
    settings = load_settings(chosen.profile, [DOMAIN, *size, *chosen.settings, mode], chosen.seed)
    run = WarmedUp.of(chosen.run)
    with tempfile.TemporaryDirectory() as name, Engines(settings.engine, logs=Path(name)) as engines:
        job = Job(settings, run.inputs, Path(name), Path(name), chosen.seed, 0, 1, Silent())
        learner = load_learner(job, run.checkpoint, engines)
        plain, wanted = learner.worlds, settings.reinforce
        questions = {"knowledge": learner.questions["knowledge"]}
        learner = replace(learner, worlds=SlowWorlds(plain, chosen), questions=questions)
        results = ReinforceResults(job, learner.trainer, resumed_step=0)
        with RolloutStream(
            learner.play_group,
            learner.questions_of,
            first=0,
            steps=wanted.steps,
            ahead=wanted.ahead,
            in_flight=WAYS[chosen.row].in_flight,
            lane=learner.engine.lane,
        ) as stream:
            learner.send_weights(stream, version=0)
            started = time.perf_counter()
            for step in range(wanted.steps):
                reinforce_step(learner, stream, step, results)
            seconds = time.perf_counter() - started
        episodes = collect_episodes(
            run.questions("test", chosen.questions),
            samples=1,
            seed=0,
            engine=learner.engine,
            chat=learner.chat,
            worlds=plain,
            limits=episode_limits(settings, temperature=0.0),
        )
        rows = [json.loads(line) for line in (Path(name) / "steps-0.jsonl").read_text().splitlines()]
    return {
        "seconds": seconds / wanted.steps,
        "waited": float(np.mean([row["seconds_rollout"] for row in rows])),
        "correct": [episode.correct for episode in episodes],
        "staleness": float(np.mean([row["staleness_mean"] for row in rows])),
    }


def measure(chosen: argparse.Namespace, row: str, latency: float, seed: int) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.asynchronous", "--run", chosen.run, "--profile", chosen.profile]
    command += ["--row", row, "--latency", latency, "--slow", chosen.slow, "--seed", seed]
    command += ["--questions", chosen.questions]
    command += [word for setting in chosen.settings for word in ("--set", setting)]
    done = subprocess.run(
        list(map(str, command)),
        cwd=REPOSITORY,
        env=os.environ | KEEP_MEMORY,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps({"latency": latency, "seed": seed, "row": row} | found), file=sys.stderr, flush=True)
    return found


def table(chosen: argparse.Namespace) -> Iterator[str]:
    heads = ("latency, s", "", "s a step", "s waited", "times the row above", "times sync", "staleness, steps")
    heads += ("held-out accuracy", "points beside sync")
    yield f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}"
    for latency in chosen.latencies:
        found: dict[str, list[dict[str, object]]] = {row: [] for row in chosen.rows}
        for seed in chosen.seeds:
            for row in chosen.rows:
                found[row].append(measure(chosen, row, latency, seed))
        above = None
        for row, runs in found.items():
            correct = np.array([run["correct"] for run in runs], dtype=float)  # [seeds, questions]
            cells = [f"{latency:g}", row]
            cells += [f"{np.median([run[key] for run in runs]):.2f}" for key in ("seconds", "waited")]
            cells += [times(runs, found.get(above)), times(runs, found.get("sync"))]
            cells += [f"{np.mean([run['staleness'] for run in runs]):.1f}", tell(correct, "{:.1%}")]
            other = found.get("sync")
            beside = np.array([run["correct"] for run in other], dtype=float) if other and row != "sync" else None
            cells += ["" if beside is None else tell(100 * (correct - beside), "{:+.1f}")]
            yield f"| {' | '.join(cells)} |"
            above = row


def times(runs: list[dict[str, object]], others: list[dict[str, object]] | None) -> str:
    """By how much the runs are faster than the others of the same seeds; the median."""
    if others is None:
        return ""
    return f"{np.median([b['seconds'] / a['seconds'] for a, b in zip(runs, others, strict=True)]):.2f}"


def tell(values: np.ndarray, form: str) -> str:
    """The mean of ``values`` [seeds, questions] and where 95 % of the means lie when both are drawn again."""
    draw = np.random.default_rng(0)
    means = [
        values[np.ix_(*[draw.integers(size, size=size) for size in values.shape])].mean() for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{form.format(values.mean())} ({form.format(low)} to {form.format(high)})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="store with a run")
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.0, 0.05, 0.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--slow", type=float, default=0.0, help="share of calls that take ten times as long")
    parser.add_argument("--rows", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--row", choices=WAYS, help=argparse.SUPPRESS)  # the inner process
    parser.add_argument("--latency", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.run = chosen.run.absolute()
    if chosen.row:
        print(json.dumps(reinforce(chosen)))
        return
    print(f"{tell_versions()}; seeds {chosen.seeds}\n")
    for line in table(chosen):
        print(line, flush=True)


if __name__ == "__main__":
    main()
