"""Attempts of a saved policy at a table of questions; what evaluation and extrapolation build on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from lib.environments.environment import Question
from lib.policy.engines import Engines
from lib.policy.load import load_chat
from lib.progress import Progress
from lib.rollout.collect import collect_episodes
from lib.rollout.episode import episode_table
from lib.rollout.run_episode import EpisodeLimits
from lib.rollout.vision_world import Sight
from lib.rollout.worlds import Sources, Worlds
from lib.settings.settings import Settings

QUESTION_COLUMNS = ["id", "domain", "prompt", "answer", "aliases", "database_id", "images"]


def attempt(
    questions: pa.Table,
    *,
    engines: Engines,
    sources: Sources,
    checkpoint: Path,
    policy: str,
    benchmark: str,
    settings: Settings,
    samples: int = 1,
    temperature: float = 0.0,
    top_p: float = 1.0,
    max_tool_calls: int | None = None,
    sight: Sight = "all",
    seed: int,
    progress: Progress,
) -> pa.Table:
    """Rows of the episodes contract, ``samples`` for each question; temperature 0 is greedy.

    Args:
        engines: where what samples comes from.
        checkpoint: a directory that transformers loads.
        max_tool_calls: a budget other than the environment's own.
        sight: which images a policy is shown.
    """
    worlds = Worlds.load(settings, sources, sight=sight)
    chat = load_chat(checkpoint, worlds.open_image, hidden=sight == "none")
    episodes = collect_episodes(
        read_questions(questions),
        samples=samples,
        seed=seed,
        engine=engines.of(checkpoint, chat.encoder),
        chat=chat,
        worlds=worlds,
        limits=episode_limits(settings, temperature=temperature, top_p=top_p, max_tool_calls=max_tool_calls),
        progress=progress,
    )
    return episode_table(episodes, policy=policy, benchmark=benchmark)


def read_questions(table: pa.Table) -> list[Question]:
    """Rows of the questions table as environments take them."""
    return [Question(**row) for row in table.select(QUESTION_COLUMNS).to_pylist()]


def episode_limits(
    settings: Settings,
    *,
    temperature: float,
    top_p: float = 1.0,
    max_tool_calls: int | None = None,
) -> EpisodeLimits:
    """The limits that the settings of environment and engine amount to."""
    return EpisodeLimits(
        max_tokens=settings.engine.max_tokens,
        max_new_tokens=settings.engine.max_new_tokens,
        max_turns=settings.environment.max_turns,
        max_tool_calls=settings.environment.max_tool_calls if max_tool_calls is None else max_tool_calls,
        max_malformed=settings.environment.max_malformed,
        seconds=settings.environment.episode_timeout_s,
        temperature=temperature,
        top_p=top_p,
    )
