"""Many episodes side by side over one engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lib.environments.environment import Question
from lib.policy.conversation import ChatFormat
from lib.policy.engine import Engine
from lib.progress import Progress, Silent
from lib.rollout.episode import Episode
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.rollout.worlds import Worlds
from lib.seeds import derive_seed


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
    finished = 0

    async def play(question: Question, sample: int) -> Episode:
        nonlocal finished
        episode = await run_episode(
            question,
            sample=sample,
            seed=derive_seed(seed, question.id, sample),
            engine=engine,
            chat=chat,
            world=worlds.of(question),
            limits=limits,
        )
        finished += 1
        (progress or Silent()).update(finished, len(questions) * samples, "episodes")
        return episode

    async def play_all() -> list[Episode]:
        return await asyncio.gather(*[play(question, sample) for question in questions for sample in range(samples)])

    return asyncio.run(play_all())
