"""What every environment offers, and what passes between it and an episode.

One environment object serves one episode, so that nothing an episode does can touch another.
Environments know nothing of tokens, policies or rewards.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: str
    content: str


@dataclass(frozen=True)
class ToolCall:
    """One well-formed call, its arguments not yet checked."""

    name: str
    arguments: dict[str, object]


class CallStatus(StrEnum):
    """How a tool call ended."""

    OK = "ok"
    REFUSED = "refused"  # an unknown tool or arguments that do not fit; the policy's fault
    FAILED = "failed"  # the tool broke or was too slow; not the policy's fault

    @property
    def is_policy_fault(self) -> bool:
        return self is CallStatus.REFUSED


@dataclass(frozen=True)
class CallResult:
    """What came of one call, in words for the policy."""

    call: ToolCall
    status: CallStatus
    content: str
    latency_s: float


@dataclass(frozen=True)
class Start:
    """The opening of an episode."""

    messages: list[Message]
    tools: list[dict[str, object]]  # JSON schemas in the function-calling form


@dataclass(frozen=True)
class Step:
    """The results of one turn's calls."""

    results: list[CallResult]
    done: bool = False  # the environment is in a final state; no further turn follows


class Question(BaseModel):
    """What an environment and a reward need of a row of the questions table."""

    id: str
    domain: str
    prompt: str
    answer: str
    aliases: list[str] = []
    database_id: str | None = None


class Environment(Protocol):
    """One episode's world."""

    async def start(self, question: Question, seed: int) -> Start:
        """Reset to the question."""
        ...

    async def step(self, calls: list[ToolCall]) -> Step:
        """Carry the calls out, in order. Never raises for anything that a policy wrote."""
        ...

    def parse_answer(self, text: str) -> str | None:
        """The final answer in a turn's text, or None when it gives none."""
        ...
