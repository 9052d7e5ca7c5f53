"""What every environment offers, and what passes between it and an episode.

One environment object serves one episode, so that nothing an episode does can touch another.
Environments know nothing of tokens, policies or rewards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel


@dataclass(frozen=True)
class ImageRef:
    """An image of the run's image set, or the part of it inside a box."""

    id: str
    box: tuple[int, int, int, int] | None = None  # left, top, right, bottom in pixels


# What is said to a policy: text, or texts and images in the order in which they are read.
Content = str | tuple[str | ImageRef, ...]


def parts_of(content: Content) -> tuple[str | ImageRef, ...]:
    """Texts and images; a text is its only part."""
    return (content,) if isinstance(content, str) else content


def text_of(content: Content) -> str:
    """The content for people who read it: an image is told by its name."""
    return "".join(part if isinstance(part, str) else _name(part) for part in parts_of(content))


def join_lines(contents: Iterable[Content]) -> Content:
    """One content after the other, each on a line of its own; a text where all of them are."""
    contents = list(contents)
    if all(isinstance(content, str) for content in contents):
        return "\n".join(contents)  # type: ignore[arg-type]
    joined: list[str | ImageRef] = []
    for content in contents:
        joined += ["\n"] * bool(joined) + list(parts_of(content))
    return tuple(joined)


def _name(image: ImageRef) -> str:
    return f"[{image.id}]" if image.box is None else f"[{image.id} {','.join(map(str, image.box))}]"


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: str
    content: Content


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
    """What came of one call, for the policy to read."""

    call: ToolCall
    status: CallStatus
    content: Content
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
    images: list[str] | None = None


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
