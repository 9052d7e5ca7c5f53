"""Reinforcement with slow tools: what each way of not waiting is worth, and whether it learns as much.

    python -m benchmarks.asynchronous --run STORE [--profile laptop] [--latencies 0 0.05 0.5] [--seeds 0 1 2]
        [--set K=V]

STORE has a run of that profile on the domain `knowledge` (`ropewalk run --domains knowledge --store STORE`), whose
warmed-up policy every row starts from. A row is a process of its own that reinforces it for `reinforce.steps` steps,
with tools that take so many seconds a call, and then answers the validation questions greedily:

    one by one    calls of all episodes wait for each other, then the step trains
    sync          calls side by side, then the step trains
    one step off  the next step's episodes are sampled while one trains
    async         sampling runs ahead by two steps, and weights change under the episodes

Prints seconds a step, the ratio to the row above with the same latency, and the accuracy over all seeds with a 95 %
interval.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.warmed_up import WarmedUp, become_the_only_rank
from lib.bootstrap import bootstrap_mean

REPOSITORY = Path(__file__).resolve().parents[1]
MODES = {"one by one": "sync", "sync": "sync", "one step off": "one_step_off", "async": "async"}


class SlowEnvironment:
    """Another environment whose calls take longer, and wait for each other where there is a lock."""

    def __init__(self, inner, seconds: float, lock: asyncio.Lock | None):
        self._inner, self._seconds, self._lock = inner, seconds, lock
        self.start, self.parse_answer = inner.start, inner.parse_answer

    async def step(self, calls):
        async with self._lock or nullcontext():
            await asyncio.sleep(self._seconds * len(calls))
        return await self._inner.step(calls)


class SlowWorlds:
    """Stands in for lib.rollout.worlds.Worlds, of which episodes use no more than this."""

    def __init__(self, inner, seconds: float, lock: asyncio.Lock | None):
        self._inner, self._seconds, self._lock = inner, seconds, lock

    def of(self, question):
        return self

    def make_environment(self, question):
        return SlowEnvironment(self._inner.of(question).make_environment(question), self._seconds, self._lock)

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
    from lib.rollout.stream import Ledger
    from lib.settings.load import load_settings
    from lib.workers.job import Job

    settings = load_settings(chosen.profile, [*chosen.settings, f"reinforce.mode={MODES[chosen.row]}"], chosen.seed)
    run = WarmedUp.of(chosen.run)
    with tempfile.TemporaryDirectory() as name, Engines(settings.engine, logs=Path(name)) as engines:
        job = Job(settings, run.inputs, Path(name), Path(name), chosen.seed, 0, 1, Silent())
        learner = load_learner(job, run.checkpoint, engines)
        plain = learner.worlds
        lock = asyncio.Lock() if chosen.row == "one by one" else None
        learner = replace(learner, worlds=SlowWorlds(plain, chosen.latency, lock))
        results = ReinforceResults(job, learner.trainer, resumed_step=0)
        with learner.open_stream(first=0, ledger=Ledger()) as stream:
            learner.send_weights(stream, version=0)
            started = time.perf_counter()
            for step in range(settings.reinforce.steps):
                reinforce_step(learner, stream, step, results)
            seconds = time.perf_counter() - started
        episodes = collect_episodes(
            run.questions("validation", chosen.questions),
            samples=1,
            seed=0,
            engine=learner.engine,
            chat=learner.chat,
            worlds=plain,
            limits=episode_limits(settings, temperature=0.0),
        )
        rows = [json.loads(line) for line in (Path(name) / "steps-0.jsonl").read_text().splitlines()]
    return {
        "seconds": seconds / settings.reinforce.steps,
        "correct": [episode.correct for episode in episodes],
        "staleness": float(np.mean([row["staleness_mean"] for row in rows])),
    }


def measure(chosen: argparse.Namespace, row: str, latency: float, seed: int) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.asynchronous", "--run", chosen.run, "--profile", chosen.profile]
    command += ["--row", row, "--latency", latency, "--seed", seed, "--questions", chosen.questions]
    command += [word for setting in chosen.settings for word in ("--set", setting)]
    done = subprocess.run(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(chosen: argparse.Namespace) -> Iterator[str]:
    heads = ("latency, s", "", "s a step", "times the row above", "staleness, steps", "validation accuracy")
    yield f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}"
    for latency in chosen.latencies:
        before = 0.0
        for row in MODES:
            found = [measure(chosen, row, latency, seed) for seed in chosen.seeds]
            seconds = float(np.mean([one["seconds"] for one in found]))
            correct = np.array([one["correct"] for one in found], dtype=float)  # [seeds, questions]
            share = bootstrap_mean(correct.mean(axis=0), resamples=2000, seed=0, is_share=True)
            staleness = np.mean([one["staleness"] for one in found])
            faster = f"{before / seconds:.2f}" if before else ""
            yield (
                f"| {latency:g} | {row} | {seconds:.2f} | {faster} | {staleness:.1f} "
                f"| {share.value:.1%} ({share.low:.1%} to {share.high:.1%}) |"
            )
            before = seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="store with a run")
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--latencies", type=float, nargs="+", default=[0.0, 0.05, 0.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--row", choices=MODES, help=argparse.SUPPRESS)  # the inner process
    parser.add_argument("--latency", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.run = chosen.run.absolute()
    if chosen.row:
        print(json.dumps(reinforce(chosen)))
        return
    for line in table(chosen):
        print(line, flush=True)


if __name__ == "__main__":
    main()
