"""One episode that a language model behind an endpoint plays."""

from __future__ import annotations

from collections.abc import Callable

from lib.chat_endpoint import ChatEndpoint
from lib.environments.environment import Environment, Message, Question
from lib.policy.conversation import ChatFormat
from lib.policy.endpoint_engine import EndpointEngine
from lib.policy.plain_text import PlainText
from lib.rollout.episode import Episode
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.settings.endpoint import EndpointPolicySettings


async def run_endpoint_episode(
    question: Question,
    *,
    sample: int,
    seed: int,
    endpoint: ChatEndpoint,
    settings: EndpointPolicySettings,
    chat: ChatFormat | PlainText,
    make_environment: Callable[[], Environment],
    limits: EpisodeLimits,
    advice: str = "",
) -> Episode:
    """Play one attempt; call it from the endpoint's ``work_through``. Raises EndpointError.

    Args:
        advice: what the model is told beyond the environment's own instructions; no part of the episode.
    """
    opening = (await make_environment().start(question, seed)).messages
    first, *rest = opening
    told = [Message(first.role, f"{first.content}\n{advice}"), *rest] if advice else opening
    return await run_episode(
        question,
        sample=sample,
        seed=seed,
        engine=EndpointEngine(endpoint, settings, told, chat=chat),
        chat=chat,
        make_environment=make_environment,
        limits=limits,
    )
