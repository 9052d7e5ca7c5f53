"""What many episodes at once cost: throughput of the engine, and what the driver itself takes.

    python -m benchmarks.concurrency --run STORE [--profile laptop] [--concurrent 8 32 128 512]
    python -m benchmarks.concurrency --fake [--concurrent 512 10000]

With a run, its warmed-up policy plays training questions of the domain `knowledge` at temperature 1, as many at once
as there are episodes; padding is the share of the work of attention that is done for no token, and the last column the
share of the machine's matrix multiplication that reading the sampled tokens takes. With --fake, an engine that answers
at once takes the model's place: what is left is the driver (event loop, conversation, parsing, tools on an index of one
page), told as milliseconds a turn, and the memory that an episode holds while all of them stand in the middle of a
turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.versions import tell_versions
from lib.workers.launch import KEEP_MEMORY

REPOSITORY = Path(__file__).resolve().parents[1]
TURNS = 4


def play_real(chosen: argparse.Namespace, number: int) -> str:
    from benchmarks.ceiling import READ, multiply, num_multiplied
    from benchmarks.warmed_up import DOMAIN, WarmedUp
    from lib.policy.engines import Engines
    from lib.policy.load import load_chat
    from lib.policy.transformers_engine import TransformersEngine
    from lib.rollout.attempt import episode_limits
    from lib.rollout.collect import collect_episodes
    from lib.rollout.worlds import Worlds
    from lib.settings.load import load_settings

    settings = load_settings(chosen.profile, [DOMAIN, f"engine.max_concurrent={number}", *chosen.settings], 0)
    run = WarmedUp.of(chosen.run)
    questions = run.questions("train", max(1, number // 8))
    chat = load_chat(run.checkpoint)
    with tempfile.TemporaryDirectory() as logs, Engines(settings.engine, logs=Path(logs)) as engines:
        engine = engines.of(run.checkpoint, chat.encoder)
        worlds = Worlds.load(settings, run.sources)
        started = time.perf_counter()
        episodes = collect_episodes(
            questions,
            samples=8,
            seed=0,
            engine=engine,
            chat=chat,
            worlds=worlds,
            limits=episode_limits(settings, temperature=1.0),
        )
        seconds = time.perf_counter() - started
    sampled = sum(sum(episode.conversation.action_mask) for episode in episodes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    share = READ * num_multiplied(run.checkpoint) * sampled / seconds / multiply()
    padding = f"{engine.padding:.0%}" if isinstance(engine, TransformersEngine) else ""
    cells = (f"{len(episodes) / seconds:.1f}", f"{sampled / seconds:.0f}", f"{peak:,.0f}", padding, f"{share:.1%}")
    return f"| {len(episodes)} | {' | '.join(cells)} |"


class FakeEngine:
    """Searches three times, then answers; a turn waits until all episodes are in it, so that all are held at once."""

    policy_version = 0

    def __init__(self, chat, number: int):
        from lib.policy.tool_calls import render_tool_call

        search = chat.encode_reply(render_tool_call("search", {"query": "nothing"}))
        self._replies = [search] * (TURNS - 1) + [chat.encode_reply("<answer>nobody</answer>")]
        self._turns: dict[str, int] = {}
        self._number, self._arrived, self._all = number, 0, asyncio.Event()
        self.memory = 0

    async def sample(self, request):
        from lib.policy.engine import Completion, Finish

        turn = self._turns.get(request.session, 0)
        self._turns[request.session] = turn + 1
        if turn == TURNS - 1:
            self._arrived += 1
            if self._arrived == self._number:
                self.memory = psutil.Process().memory_info().rss
                self._all.set()
            await self._all.wait()
        reply = self._replies[turn]
        return Completion(reply, [-0.5] * len(reply), Finish.STOP, 0)

    def release(self, session: str) -> None:
        del self._turns[session]


def play_fake(number: int) -> str:
    from lib.environments.environment import Question
    from lib.environments.page_index import PageIndex
    from lib.policy.plain_text import PlainText
    from lib.rollout.collect import collect_episodes
    from lib.rollout.run_episode import EpisodeLimits
    from lib.rollout.worlds import SearchWorld, Worlds
    from lib.settings.environment import EnvironmentSettings

    chat = PlainText()
    worlds = Worlds({"knowledge": SearchWorld(PageIndex(["A"], ["a page"]), EnvironmentSettings())})
    engine = FakeEngine(chat, number)
    questions = [Question(id=str(n), domain="knowledge", prompt="Who?", answer="nobody") for n in range(number)]
    limits = EpisodeLimits(
        max_tokens=10**6,
        max_new_tokens=10**4,
        max_turns=TURNS,
        max_tool_calls=TURNS,
        max_malformed=1,
        seconds=3600,
        temperature=1.0,
        top_p=1.0,
    )
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    episodes = collect_episodes(questions, samples=1, seed=0, engine=engine, chat=chat, worlds=worlds, limits=limits)
    seconds = time.perf_counter() - started
    whole = sum(episode.correct and episode.num_policy_turns == TURNS for episode in episodes)
    assert len({episode.id for episode in episodes}) == whole == number, "an episode was lost"
    held = (engine.memory - before) / number / 1024
    return f"| {number:,} | {1000 * seconds / number / TURNS:.2f} | {held:.1f} | {number - whole} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="store with a run")
    parser.add_argument("--profile", default="laptop")
    parser.add_argument("--fake", action="store_true", help="an engine that answers at once")
    parser.add_argument("--concurrent", type=int, nargs="+")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="K=V")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)  # the inner process
    chosen = parser.parse_args()
    if chosen.one:
        print(play_fake(chosen.one) if chosen.fake else play_real(chosen, chosen.one))
        return
    if not (chosen.fake or chosen.run):
        parser.error("give --run STORE or --fake")
    heads = ("episodes", "ms a turn", "KiB held an episode", "lost")
    if not chosen.fake:
        heads = ("episodes", "episodes/s", "tokens/s", "peak memory, MiB", "padding", "of the ceiling")
    print(f"{tell_versions()}; seed 0\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for number in chosen.concurrent or ((512, 10_000) if chosen.fake else (8, 32, 128, 512)):
        command = [sys.executable, "-m", "benchmarks.concurrency", *sys.argv[1:], "--one", str(number)]
        subprocess.run(command, cwd=REPOSITORY, env=os.environ | KEEP_MEMORY, check=True)


if __name__ == "__main__":
    main()
