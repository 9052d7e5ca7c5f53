"""A world small enough to reason about: forty towns, their questions, and a policy of random weights."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.graph import PAGES
from data_contracts.questions import QUESTIONS
from lib.environments.environment import Question
from lib.policy.conversation import ChatFormat
from lib.policy.engine import Completion, Finish, SampleRequest
from lib.policy.load import load_tokenizer
from lib.policy.prepare import prepare_policy
from lib.policy.source_texts import source_texts
from lib.progress import Silent
from lib.settings.policy import NanoPolicy

NUM_TOWNS = 40
REGIONS = ("North", "South", "East", "West")


def town(number: int) -> str:
    return f"Town {number}"


def region(number: int) -> str:
    return REGIONS[number % len(REGIONS)]


def write_graph(folder: Path) -> Path:
    """The pages of a graph artifact."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": f"town:{n}",
            "title": town(n),
            "text": f"{town(n)} is a town.\n{town(n)} lies in the region {region(n)}.",
            "entity_id": f"town:{n}",
        }
        for n in range(NUM_TOWNS)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PAGES.schema), folder / "pages.parquet")
    return folder


def write_questions(folder: Path) -> Path:
    """One question a town; the first 30 train."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "id": f"question-{n}",
            "domain": "knowledge",
            "prompt": f"In which region does {town(n)} lie?",
            "answer": region(n),
            "aliases": [f"{region(n)} region"],
            "split": "train" if n < 30 else "validation" if n < 34 else "test",
            "hops": 1,
            "difficulty": 0.1,
            "evidence": [
                {
                    "page_id": f"town:{n}",
                    "title": town(n),
                    "query": f"{town(n)} region",
                    "fact": f"{town(n)} lies in the region {region(n)}.",
                    "value": region(n),
                }
            ],
            "source_ids": [f"town:{n}"],
            "relations": ["region"],
            "writer": "template",
            "filters_passed": [],
            "seed": n,
        }
        for n in range(NUM_TOWNS)
    ]
    pq.write_table(QUESTIONS.check(pa.Table.from_pylist(rows))[0], folder / "questions.parquet")
    return folder


def write_policy(folder: Path, graph: Path) -> Path:
    """A policy artifact of about 100,000 random parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = NanoPolicy(type="nano", vocabulary=400, layers=2, width=64)
    prepare_policy(settings, texts=source_texts(graph=graph), out=folder, seed=0, progress=Silent())
    return folder


def question(number: int = 0) -> Question:
    return Question(
        id=f"question-{number}",
        domain="knowledge",
        prompt=f"In which region does {town(number)} lie?",
        answer=region(number),
    )


class ScriptedEngine:
    """A policy that says what it is told, turn by turn; an exception in the script is raised."""

    policy_version = 7

    def __init__(self, chat: ChatFormat, script: list[str | Exception]):
        self._chat, self._script = chat, list(script)
        self.prompts: list[list[int]] = []
        self.released: list[str] = []

    async def sample(self, request: SampleRequest) -> Completion:
        self.prompts.append(request.prompt)
        said = self._script.pop(0)
        if isinstance(said, Exception):
            raise said
        tokens = self._chat.encode_reply(said)
        finish = Finish.STOP if len(tokens) <= request.max_new_tokens else Finish.LENGTH
        tokens = tokens[: request.max_new_tokens]
        return Completion(tokens, [-0.5] * len(tokens), finish, self.policy_version)

    def release(self, session: str) -> None:
        self.released.append(session)


def chat_of(policy: Path) -> ChatFormat:
    return ChatFormat(load_tokenizer(policy / "checkpoint"))
