"""Attempts of a saved policy at a table of questions; what evaluation and extrapolation build on."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import torch

from lib.environments.environment import Question
from lib.policy.device import own_device
from lib.policy.image_encoder import ImageEncoder
from lib.policy.load import load_chat, load_model
from lib.policy.precision import DTYPES
from lib.policy.transformers_engine import TransformersEngine
from lib.progress import Progress
from lib.rollout.collect import collect_episodes
from lib.rollout.episode import episode_table
from lib.rollout.run_episode import EpisodeLimits
from lib.rollout.vision_world import Sight
from lib.rollout.worlds import Sources, Worlds
from lib.settings.policy import EngineSettings
from lib.settings.settings import Settings

QUESTION_COLUMNS = ["id", "domain", "prompt", "answer", "aliases", "database_id", "images"]


def attempt(
    questions: pa.Table,
    *,
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
        checkpoint: a directory that transformers loads.
        max_tool_calls: a budget other than the environment's own.
        sight: which images a policy is shown.
    """
    worlds = Worlds.load(settings, sources, sight=sight)
    chat = load_chat(checkpoint, worlds.open_image, hidden=sight == "none")
    engine = make_engine(load_model(checkpoint), settings.engine, chat.encoder)
    episodes = collect_episodes(
        read_questions(questions),
        samples=samples,
        seed=seed,
        engine=engine,
        chat=chat,
        worlds=worlds,
        limits=episode_limits(settings, temperature=temperature, top_p=top_p, max_tool_calls=max_tool_calls),
        progress=progress,
    )
    return episode_table(episodes, policy=policy, benchmark=benchmark)


def make_engine(
    model: torch.nn.Module, settings: EngineSettings, encoder: ImageEncoder | None = None
) -> TransformersEngine:
    """The engine that runs in this process, on its GPU where there is one; it takes the model over."""
    return TransformersEngine(
        model.to(own_device()),
        max_concurrent=settings.max_concurrent,
        max_tokens=settings.max_tokens,
        dtype=DTYPES[settings.precision],
        encoder=encoder,
    )


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
        temperature=temperature,
        top_p=top_p,
    )
