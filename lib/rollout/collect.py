"""Many episodes side by side over one engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from lib.environments.environment import Question
from lib.policy.conversation import ChatFormat
from lib.policy.engine import Engine
from lib.progress import Progress, Silent
from lib.rollout.episode import Episode
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.rollout.worlds import Worlds
from lib.seeds import derive_seed


async def play_group(
    question: Question,
    *,
    samples: int,
    seed: int,
    engine: Engine,
    chat: ChatFormat,
    worlds: Worlds,
    limits: EpisodeLimits,
    finished: Callable[[], None] = lambda: None,
) -> list[Episode]:
    """``samples`` episodes for one question, side by side; ``finished`` hears of each."""

    async def play(sample: int) -> Episode:
        episode = await run_episode(
            question,
            sample=sample,
            seed=derive_seed(seed, question.id, sample),
            engine=engine,
            chat=chat,
            world=worlds.of(question),
            limits=limits,
        )
        finished()
        return episode

    return await asyncio.gather(*[play(sample) for sample in range(samples)])


def collect_episodes(
    questions: Sequence[Question],
    *,
    samples: int,
    seed: int,
    engine: Engine,
    chat: ChatFormat,
    worlds: Worlds,
    limits: EpisodeLimits,
    progress: Progress | None = None,
) -> list[Episode]:
    """``samples`` episodes for each of the questions, which are distinct, in the order (question, sample)."""
    assert len({question.id for question in questions}) == len(questions), "twins would share a session of the engine"
    num_finished = 0

    def count() -> None:
        nonlocal num_finished
        num_finished += 1
        (progress or Silent()).update(num_finished, len(questions) * samples, "episodes")

    async def play_all() -> list[list[Episode]]:
        how = {"engine": engine, "chat": chat, "worlds": worlds, "limits": limits, "finished": count}
        return await asyncio.gather(
            *[play_group(question, samples=samples, seed=seed, **how) for question in questions]
        )

    return [episode for group in asyncio.run(play_all()) for episode in group]
