"""One episode from its question to its end: sample a turn, carry out its calls, append, repeat."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from lib.environments.environment import (
    CallResult,
    CallStatus,
    Environment,
    Question,
    ToolCall,
    join_lines,
    text_of,
)
from lib.errors import EndpointError, EngineError, RequestRefusedError, ToolServerError
from lib.policy.conversation import ChatFormat
from lib.policy.engine import Completion, Engine, Finish, SampleRequest
from lib.policy.plain_text import PlainText
from lib.policy.tool_calls import MalformedCall, parse_tool_calls
from lib.rewards.verdict import Outcome
from lib.rollout.episode import Episode, EpisodeStatus
from lib.rollout.worlds import World
from lib.seeds import derive_seed

BREAKS_EVERY_EPISODE = (EngineError, EndpointError, ToolServerError)


@dataclass(frozen=True)
class EpisodeLimits:
    """Where an episode is cut, and how its turns are sampled."""

    max_tokens: int
    max_new_tokens: int
    max_turns: int
    max_tool_calls: int
    max_malformed: int
    seconds: float
    temperature: float
    top_p: float


async def run_episode(
    question: Question,
    *,
    sample: int,
    seed: int,
    engine: Engine,
    chat: ChatFormat | PlainText,
    world: World,
    limits: EpisodeLimits,
) -> Episode:
    """Play one attempt. Whatever breaks becomes the episode's status and error.

    Only an engine, an endpoint or a tool server that fails for good is raised (EngineError, EndpointError,
    ToolServerError): it breaks every episode alike, so whoever collects them has to stop.
    """
    name = f"{question.id}/{seed}/{sample}"
    episode = Episode(name, question_id=question.id, domain=question.domain, sample=sample, seed=seed)
    started = time.perf_counter()
    try:
        async with asyncio.timeout(None) as deadline:
            await _play(episode, question, engine, chat, world.make_environment(question), limits, deadline)
    except TimeoutError as error:
        _break(episode, TimeoutError(f"no end within {limits.seconds:g} s") if deadline.expired() else error)
    except Exception as error:  # boundary: one episode's failure never touches another
        if isinstance(error, BREAKS_EVERY_EPISODE) and not isinstance(error, RequestRefusedError):
            raise
        _break(episode, error)
    finally:
        engine.release(episode.id)
    episode.seconds = time.perf_counter() - started
    await _judge(episode, question, world, limits)
    return episode


async def _play(
    episode: Episode,
    question: Question,
    engine: Engine,
    chat: ChatFormat | PlainText,
    environment: Environment,
    limits: EpisodeLimits,
    deadline: asyncio.Timeout,
) -> None:
    opening = await environment.start(question, episode.seed)
    episode.conversation.append_given("prompt", chat.encode_prompt(opening.messages))
    for turn in range(limits.max_turns):
        completion = await _sample_turn(episode, turn, engine, chat, limits)
        if completion is None:
            episode.status = EpisodeStatus.TOO_LONG
            return
        if turn == 0:  # before, it may have waited for a place among many
            deadline.reschedule(asyncio.get_running_loop().time() + limits.seconds)
        text = chat.decode(completion.tokens)
        episode.conversation.append_sampled(completion, text)
        if completion.finish is Finish.LENGTH:
            episode.status = EpisodeStatus.TOO_LONG
            return
        calls, fault = _read_calls(text)
        answer = environment.parse_answer(text)
        if answer is not None and not calls and not fault:
            episode.answer, episode.status = answer, EpisodeStatus.ANSWERED
            return
        if len(episode.calls) + len(calls) > limits.max_tool_calls:
            episode.status = EpisodeStatus.OUT_OF_CALLS
            return
        results = (await environment.step(calls)).results if calls else []
        episode.calls += [(turn, result) for result in results]
        broken = [text_of(result.content) for result in results if result.status is CallStatus.FAILED]
        if broken:
            episode.status, episode.error = EpisodeStatus.FAILED, "; ".join(broken)
            return
        episode.num_empty_turns += not calls and not fault
        fault = fault or _fault_of(results, answer)
        episode.malformed_turns += [turn] * bool(fault)
        if episode.num_malformed >= limits.max_malformed:
            episode.status, episode.error = EpisodeStatus.MALFORMED, fault
            return
        content = join_lines(result.content for result in results) or f"Error: {fault}"
        episode.conversation.append_given("tool", chat.encode_result(content))
    episode.status = EpisodeStatus.OUT_OF_TURNS


async def _sample_turn(
    episode: Episode, turn: int, engine: Engine, chat: ChatFormat | PlainText, limits: EpisodeLimits
) -> Completion | None:
    """The next turn, or None when the conversation leaves no room for one."""
    room = limits.max_tokens - len(episode.conversation.tokens)
    if room <= 1:
        return None
    request = SampleRequest(
        session=episode.id,
        prompt=list(episode.conversation.tokens),
        max_new_tokens=min(limits.max_new_tokens, room),
        temperature=limits.temperature,
        top_p=limits.top_p,
        stop_tokens=chat.stop_tokens,
        seed=derive_seed(episode.seed, turn),
        images=tuple(episode.conversation.images),
    )
    return await engine.sample(request)


def _read_calls(text: str) -> tuple[list[ToolCall], str]:
    """The turn's calls; the second part says what is wrong with their form."""
    try:
        return parse_tool_calls(text), ""
    except MalformedCall as error:
        return [], str(error)


def _fault_of(results: list[CallResult], answer: str | None) -> str:
    """What is wrong with a turn whose calls could be read; empty when nothing is."""
    if not results:
        return "a turn makes a tool call or gives the answer in its tag"
    if answer is not None:
        return "a turn makes a tool call or gives the answer, not both"
    refused = [text_of(result.content) for result in results if result.status.is_policy_fault]
    return refused[0].removeprefix("Error: ") if refused else ""


async def _judge(episode: Episode, question: Question, world: World, limits: EpisodeLimits) -> None:
    """Fill in correctness, form and reward."""
    episode.well_formed = episode.status is EpisodeStatus.ANSWERED and episode.num_malformed == 0
    num_calls = sum(result.status is CallStatus.OK for _, result in episode.calls)
    outcome = Outcome(episode.answer, episode.well_formed, tuple(episode.queries), num_calls)
    try:
        async with asyncio.timeout(limits.seconds) as deadline:
            verdict = await world.judge(question, outcome)
    except TimeoutError as error:
        _break(episode, TimeoutError(f"no verdict within {limits.seconds:g} s") if deadline.expired() else error)
    except Exception as error:  # boundary: as above
        _break(episode, error)
    else:
        episode.correct, episode.reward, episode.answer_key = verdict.correct, verdict.reward, verdict.answer_key


def _break(episode: Episode, error: Exception) -> None:
    episode.status, episode.error = EpisodeStatus.FAILED, f"{type(error).__name__}: {error}"
