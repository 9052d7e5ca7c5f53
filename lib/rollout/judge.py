"""Judges of difficulty: a policy, or a language model behind an endpoint, tries each question several times.

In: questions with their answers. Out: how many attempts were right, made in the very environment in which
policies learn and are evaluated (DeepDive: 4 attempts with a search tool).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

from lib.chat_endpoint import ChatEndpoint, Usage
from lib.environments.environment import Question
from lib.errors import EndpointError
from lib.policy.engines import engine_of_this_process
from lib.policy.load import load_chat
from lib.policy.plain_text import PlainText
from lib.reply_log import ReplyLog
from lib.rollout.attempt import episode_limits
from lib.rollout.collect import collect_episodes
from lib.rollout.endpoint_episode import run_endpoint_episode
from lib.rollout.episode import Episode
from lib.rollout.run_episode import EpisodeLimits
from lib.rollout.worlds import Sources, Worlds
from lib.seeds import derive_seed
from lib.settings import judge as settings_module
from lib.settings.settings import Settings
from lib.store.line_log import LineLog
from lib.synthesis.judge import Exercise, Judge

# Tokens are code points there, and the endpoint has limits of its own: only turns and calls end an episode.
ENDPOINT_MAX_TOKENS = 2**31


class PolicyJudge:
    """Loads its checkpoint once, for all batches. Raises PolicyError where it does not load.

    Args:
        scratch: a folder in which counts outlive a failure; no question of an earlier run is attempted again.
    """

    def __init__(self, settings: Settings, *, sources: Sources, seed: int, scratch: Path | None = None):
        judge = settings.synthesis.judge
        assert isinstance(judge, settings_module.PolicyJudge)
        self.usage = Usage()
        self._samples, self._seed = settings.synthesis.difficulty_attempts, seed
        self._worlds = Worlds.load(settings, sources)
        self._limits = episode_limits(settings, temperature=judge.temperature)
        self._chat = load_chat(judge.checkpoint, self._worlds.open_image)
        self._engine = engine_of_this_process(judge.checkpoint, settings.engine, self._chat.encoder)
        self._log = LineLog(scratch / "judge.jsonl" if scratch else None)
        self._known: dict[str, int] = dict(self._log.read())

    def count_successes(self, exercises: list[Exercise]) -> list[int | None]:
        unknown = [exercise for exercise in exercises if exercise.id not in self._known]
        for exercise, successes in zip(unknown, self._attempt(unknown), strict=True):
            if successes is not None:
                self._known[exercise.id] = successes
                self._log.append([exercise.id, successes])
        return [self._known.get(exercise.id) for exercise in exercises]

    def _attempt(self, exercises: list[Exercise]) -> list[int | None]:
        episodes = collect_episodes(
            [_question(exercise) for exercise in exercises],
            samples=self._samples,
            seed=self._seed,
            engine=self._engine,
            chat=self._chat,
            worlds=self._worlds,
            limits=self._limits,
        )
        return _count(exercises, episodes)


class EndpointJudge:
    """Attempts run side by side up to the endpoint's limit; ``pause_s`` is the first pause between two requests.

    Args:
        scratch: a folder in which replies outlive a failure, so that they are not paid for twice.
    """

    def __init__(
        self, settings: Settings, *, sources: Sources, seed: int, scratch: Path | None = None, pause_s: float = 1.0
    ):
        judge = settings.synthesis.judge
        assert isinstance(judge, settings_module.OpenAIJudge)
        log = ReplyLog(scratch / "judge.jsonl") if scratch else None
        self._judge, self._endpoint = judge, ChatEndpoint(judge, log=log, pause_s=pause_s)
        self._samples, self._seed = settings.synthesis.difficulty_attempts, seed
        self._worlds = Worlds.load(settings, sources)
        self._limits = EpisodeLimits(
            max_tokens=ENDPOINT_MAX_TOKENS,
            max_new_tokens=ENDPOINT_MAX_TOKENS,
            max_turns=settings.environment.max_turns,
            max_tool_calls=settings.environment.max_tool_calls,
            max_malformed=settings.environment.max_malformed,
            seconds=settings.environment.episode_timeout_s,
            temperature=judge.temperature,
            top_p=1.0,
        )

    @property
    def usage(self) -> Usage:
        return self._endpoint.usage

    def count_successes(self, exercises: list[Exercise]) -> list[int | None]:
        """Raises EndpointError when the endpoint fails for good."""
        attempts = list(product(map(_question, exercises), range(self._samples)))
        try:
            return _count(exercises, self._endpoint.work_through(self._attempt, attempts))
        except EndpointError as error:
            raise EndpointError(
                f"No question can be judged. {error.what}",
                where=error.where,
                next_step=f"{error.next_step} Or do without: `ropewalk run --set synthesis.judge.type=none`.",
            ) from error

    async def _attempt(self, attempt: tuple[Question, int]) -> Episode:
        question, sample = attempt
        return await run_endpoint_episode(
            question,
            sample=sample,
            seed=derive_seed(self._seed, question.id, sample),
            endpoint=self._endpoint,
            settings=self._judge,
            chat=PlainText(),
            world=self._worlds.of(question),
            limits=self._limits,
            open_image=self._worlds.open_image,
        )


JUDGES: dict[type, Callable[..., Judge]] = {
    settings_module.PolicyJudge: PolicyJudge,
    settings_module.OpenAIJudge: EndpointJudge,
}


def make_judge(settings: Settings, *, sources: Sources, seed: int, scratch: Path | None = None) -> Judge | None:
    """The judge that ``synthesis.judge`` names; None where a measure of the graph stands for it."""
    kind = type(settings.synthesis.judge)
    return JUDGES[kind](settings, sources=sources, seed=seed, scratch=scratch) if kind in JUDGES else None


def _question(exercise: Exercise) -> Question:
    return Question(
        id=exercise.id,
        domain=exercise.domain,
        prompt=exercise.prompt,
        answer=exercise.answer,
        aliases=list(exercise.aliases),
        database_id=exercise.database_id,
        images=list(exercise.images),
    )


def _count(exercises: list[Exercise], episodes: list[Episode]) -> list[int | None]:
    """Right episodes of each exercise; one that broke says nothing about difficulty."""
    successes = dict.fromkeys((exercise.id for exercise in exercises), 0)
    broken = {episode.question_id for episode in episodes if not episode.status.counts_for_learning}
    for episode in episodes:
        successes[episode.question_id] += episode.correct
    return [None if exercise.id in broken else successes[exercise.id] for exercise in exercises]
