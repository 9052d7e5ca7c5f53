"""Who plays demonstrations: the oracle, which knows the evidence, or a language model behind an endpoint.

In: rows of training questions. Out: a trial for each, in their order. Both play through the loop and the
environment of every other episode.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lib.chat_endpoint import ChatEndpoint, Usage
from lib.environments.environment import Question
from lib.learning.oracle import OracleEngine, Script
from lib.learning.search_script import EvidenceStep, SearchScript
from lib.learning.sql_script import SqlScript
from lib.learning.trial import Heard, Trial, TrialLog
from lib.learning.vision_script import Observation, VisionScript
from lib.policy.conversation import ChatFormat
from lib.rollout.attempt import QUESTION_COLUMNS
from lib.rollout.endpoint_episode import run_endpoint_episode
from lib.rollout.run_episode import EpisodeLimits, run_episode
from lib.rollout.worlds import Worlds
from lib.seeds import derive_seed
from lib.settings.demonstrate import DemonstrateSettings
from lib.settings.teacher import OpenAITeacher, OracleTeacher

# Demonstrations are imitated turn by turn, so their form counts as much as their answers.
ADVICE = {
    "knowledge": """Each of your turns is at most {words} words: one sentence that quotes the fact found last, if any,
then exactly one tool call, or the answer in its tag. Search one fact at a time, with at most {calls} tool calls.
Answer with what the pages say and nothing around it.""",
    "sql": """Each of your turns is at most {words} words: exactly one tool call, or the answer in its tag. Describe
the tables that you need, run your query, mend it where it fails, with at most {calls} tool calls.
Answer with the query.""",
    "vision": """Each of your turns is at most {words} words: what the pictures show, then exactly one tool call, or the
answer in its tag. Look closer at what is small, with at most {calls} tool calls.
Answer with a number, true or false, or a single word.""",
}
WORDS_PER_TOKEN = 0.5  # English takes about 1.3 tokens a word; names and JSON take more


@dataclass(frozen=True)
class Scene:
    """What episodes are played on."""

    chat: ChatFormat
    worlds: Worlds
    limits: EpisodeLimits
    seed: int


class Teacher(Protocol):
    """Plays questions; each trial is told to ``heard`` as soon as it is over."""

    name: str

    @property
    def usage(self) -> Usage: ...

    def play(self, rows: list[dict], heard: Heard) -> list[Trial]: ...


def _search_script(row: dict, settings: DemonstrateSettings, limits: EpisodeLimits, seed: int) -> Script:
    evidence = [EvidenceStep(step["title"], step["query"], step["fact"], step["value"]) for step in row["evidence"]]
    return SearchScript(evidence, row["answer"], detour_share=settings.detour_share, seed=seed)


def _sql_script(row: dict, settings: DemonstrateSettings, limits: EpisodeLimits, seed: int) -> Script:
    return SqlScript(row["answer"], mistake_share=settings.detour_share, max_calls=limits.max_tool_calls, seed=seed)


def _vision_script(row: dict, settings: DemonstrateSettings, limits: EpisodeLimits, seed: int) -> Script:
    sights = [Observation.of(step) for step in row["evidence"] if step["page_id"]]
    together = [step["fact"] for step in row["evidence"] if not step["page_id"]]
    return VisionScript(
        sights,
        row["answer"],
        conclusion="\n".join(together),
        detour_share=settings.detour_share,
        miss_share=settings.miss_share,
        max_calls=limits.max_tool_calls,
        seed=seed,
    )


# How the oracle plays a question of a domain.
SCRIPTS: dict[str, Callable[[dict, DemonstrateSettings, EpisodeLimits, int], Script]] = {
    "knowledge": _search_script,
    "sql": _sql_script,
    "vision": _vision_script,
}


class Oracle:
    """One attempt at a question, without chance but for its detours."""

    name = "oracle"

    def __init__(self, settings: DemonstrateSettings, scene: Scene, log: TrialLog):
        self._settings, self._scene = settings, scene
        self.usage = Usage()

    def play(self, rows: list[dict], heard: Heard) -> list[Trial]:
        trials = []
        for row in rows:
            trials.append(asyncio.run(self._play_one(row)))
            heard(trials[-1])
        return trials

    async def _play_one(self, row: dict) -> Trial:
        question, scene = question_of(row), self._scene
        seed = derive_seed(scene.seed, "demonstration", question.id)
        script = SCRIPTS[question.domain](row, self._settings, scene.limits, seed)
        trial = Trial(question.id)
        episode = await run_episode(
            question,
            sample=0,
            seed=seed,
            engine=OracleEngine(script, scene.chat),
            chat=scene.chat,
            world=scene.worlds.of(question),
            limits=scene.limits,
        )
        trial.add(episode, policy=self.name)
        return trial


class EndpointTeacher:
    """Attempts at a question one after another until one is right, questions side by side.

    So no attempt is paid for that could not be kept. Trials of the log are not played again.
    """

    name = "teacher"

    def __init__(self, settings: DemonstrateSettings, scene: Scene, log: TrialLog, *, pause_s: float = 1.0):
        assert isinstance(settings.teacher, OpenAITeacher)
        self._settings, self._scene, self._log = settings.teacher, scene, log
        self._endpoint = ChatEndpoint(settings.teacher, pause_s=pause_s)
        words = int(WORDS_PER_TOKEN * scene.limits.max_new_tokens)
        calls = scene.limits.max_tool_calls
        self._advice = {domain: text.format(words=words, calls=calls) for domain, text in ADVICE.items()}

    @property
    def usage(self) -> Usage:
        return self._endpoint.usage

    def play(self, rows: list[dict], heard: Heard) -> list[Trial]:
        """Raises EndpointError when the endpoint fails for good; finished trials are in the log."""

        async def play_one(row: dict) -> Trial:
            trial = self._log.find(row["id"])
            if trial is None:
                trial = await self._try(question_of(row))
                self._log.record(trial)
            heard(trial)
            return trial

        return self._endpoint.work_through(play_one, rows)

    async def _try(self, question: Question) -> Trial:
        trial, scene = Trial(question.id), self._scene
        for sample in range(self._settings.samples):
            episode = await run_endpoint_episode(
                question,
                sample=sample,
                seed=derive_seed(scene.seed, "demonstration", question.id, sample),
                endpoint=self._endpoint,
                settings=self._settings,
                chat=scene.chat,
                world=scene.worlds.of(question),
                limits=scene.limits,
                advice=self._advice[question.domain],
                open_image=scene.worlds.open_image,
            )
            if trial.add(episode, policy=self.name):
                break
        return trial


TEACHERS: dict[type, Callable[[DemonstrateSettings, Scene, TrialLog], Teacher]] = {
    OracleTeacher: Oracle,
    OpenAITeacher: EndpointTeacher,
}


def question_of(row: dict) -> Question:
    return Question(**{name: row[name] for name in QUESTION_COLUMNS})
