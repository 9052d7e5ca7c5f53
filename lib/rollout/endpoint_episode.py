"""One episode that a language model behind an endpoint plays."""

from __future__ import annotations

from lib.chat_endpoint import ChatEndpoint
from lib.environments.environment import Message, Question
from lib.policy.conversation import ChatFormat
from lib.policy.endpoint_engine import EndpointEngine
from lib.policy.image_encoder import OpenImage
from lib.policy.plain_text import PlainText
from lib.rollout.episode import Episode
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.rollout.worlds import World
from lib.settings.endpoint import EndpointPolicySettings


async def run_endpoint_episode(
    question: Question,
    *,
    sample: int,
    seed: int,
    endpoint: ChatEndpoint,
    settings: EndpointPolicySettings,
    chat: ChatFormat | PlainText,
    world: World,
    limits: EpisodeLimits,
    advice: str = "",
    open_image: OpenImage | None = None,
) -> Episode:
    """Play one attempt; call it from the endpoint's ``work_through``. Raises EndpointError.

    Args:
        open_image: where a question's images are.
        advice: what the model is told beyond the environment's own instructions; no part of the episode.
    """
    opening = (await world.make_environment(question).start(question, seed)).messages
    first, *rest = opening
    told = [Message(first.role, f"{first.content}\n{advice}"), *rest] if advice else opening
    return await run_episode(
        question,
        sample=sample,
        seed=seed,
        engine=EndpointEngine(endpoint, settings, told, chat=chat, open_image=open_image),
        chat=chat,
        world=world,
        limits=limits,
    )
