"""What policies are tried on: parts, each attempts of one kind at one question set, and which of them run side by side.

In: settings and question sets. Out: parts, and the rounds that they are played in. The last episodes of a round leave
a machine idle, so parts whose episodes are made alike share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import pyarrow as pa

from data_contracts.scores import HELD_OUT, SAMPLED, SIGHTS
from lib.evaluation.metrics import Decoding
from lib.evaluation.question_sets import QuestionSet
from lib.rollout.attempt import QUESTION_COLUMNS
from lib.settings.settings import Settings


class Kind(Enum):
    """How a part's episodes are made."""

    GREEDY = auto()
    SAMPLED = auto()
    BUDGET = auto()  # greedy, with more tool calls than the environment's
    SIGHT = auto()  # greedy, with fewer images shown


@dataclass(frozen=True)
class Part:
    """Attempts of one kind at the questions of a set, made by every policy."""

    benchmark: str  # the set's name, with a suffix for what is not greedy
    kind: Kind
    questions: pa.Table
    domain: str
    decoding: Decoding

    @property
    def num_episodes(self) -> int:
        return self.questions.num_rows * self.decoding.samples

    @property
    def shows_images_to_the_end(self) -> bool:
        """Whether these are the plain episodes on held-out questions, or those whose tools bring no image."""
        greedy = self.kind is Kind.GREEDY and self.benchmark.startswith(HELD_OUT)
        return greedy or self.same_without_calls is not None

    @property
    def same_without_calls(self) -> str | None:
        """The part, if any, from which episodes differ only in what a tool brings them."""
        return self.set_name if self.kind is Kind.SIGHT and self.decoding.sight == "once" else None

    @property
    def set_name(self) -> str:
        """Of the questions; for parts that are greedy or of fewer images."""
        return self.benchmark.removesuffix(SIGHTS[self.decoding.sight]) if self.kind is Kind.SIGHT else self.benchmark


def list_parts(settings: Settings, chosen: QuestionSet) -> list[Part]:
    """Greedy on all questions, samples on the first few, and greedy again for budgets above the environment's.

    Budgets up to the environment's are read off the greedy episodes; see lib.evaluation.test_time.
    """
    wanted, own_budget = settings.evaluate, settings.environment.max_tool_calls
    name, questions, domain = chosen.name, chosen.questions, chosen.domain
    parts = [Part(name, Kind.GREEDY, questions, domain, Decoding(0.0, 1.0, 1, own_budget))]
    if domain == "vision" and chosen.is_held_out:
        parts += [
            Part(f"{name}{suffix}", Kind.SIGHT, questions, domain, Decoding(0.0, 1.0, 1, own_budget, sight))
            for sight, suffix in SIGHTS.items()
        ]
    few = min(wanted.sampled_questions, questions.num_rows)
    if few == 0:
        return parts
    sampled = Decoding(wanted.temperature, wanted.top_p, wanted.samples, own_budget)
    parts.append(Part(f"{name}{SAMPLED}", Kind.SAMPLED, questions.slice(0, few), domain, sampled))
    for budget in sorted(set(wanted.budgets)):
        if budget > own_budget and chosen.is_held_out:
            greedy = Decoding(0.0, 1.0, 1, budget)
            parts.append(Part(f"{name}_budget_{budget}", Kind.BUDGET, questions, domain, greedy))
    return parts


@dataclass(frozen=True)
class Round:
    """Parts that are decoded alike, on different questions."""

    name: str
    parts: tuple[Part, ...]

    @property
    def decoding(self) -> Decoding:
        return self.parts[0].decoding

    @property
    def num_episodes(self) -> int:
        return sum(part.num_episodes for part in self.parts)

    @property
    def benchmarks(self) -> dict[str, str]:
        """The part that each question belongs to, by their names."""
        return {question: part.benchmark for part in self.parts for question in part.questions["id"].to_pylist()}

    def questions_without(self, played: dict[str, set[str]]) -> pa.Table:
        """What is left to play, where some questions of some parts, by their names, need not be."""
        tables = []
        for part in self.parts:
            known = played.get(part.benchmark, set())
            rows = [row for row, id in enumerate(part.questions["id"].to_pylist()) if id not in known]
            tables.append(part.questions.select(QUESTION_COLUMNS).take(pa.array(rows, pa.int64())))
        return pa.concat_tables(tables, promote_options="permissive")


def list_rounds(parts: Sequence[Part]) -> list[Round]:
    """In the order of their first parts; a question that comes twice is played in two of them."""
    rounds: list[Round] = []
    for part in parts:
        own = set(part.questions["id"].to_pylist())
        for place, other in enumerate(rounds):
            if other.decoding == part.decoding and own.isdisjoint(other.benchmarks):
                rounds[place] = Round(other.name, (*other.parts, part))
                break
        else:
            rounds.append(Round(_name_of(part, rounds), (part,)))
    return rounds


def _name_of(part: Part, rounds: Sequence[Round]) -> str:
    name = {Kind.SIGHT: part.decoding.sight, Kind.BUDGET: f"budget_{part.decoding.max_tool_calls}"}.get(
        part.kind, part.kind.name.lower()
    )
    same = sum(other.name == name or other.name.startswith(f"{name}_again") for other in rounds)
    return name if not same else f"{name}_again_{same}"
