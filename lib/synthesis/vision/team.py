"""What a team is: questioner, solver and checker, who turn groups of pictures into questions that hold.

A draft is what the collector hands over: pictures that belong together and, where enough is known of them, what is
asked and what the answer is. A team answers each draft with a question, or with the role that turned it down and why.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lib.chat_endpoint import Usage
from lib.settings.vision_synthesis import Kind
from lib.sources.images.image_set import Picture
from lib.synthesis.vision.asks import Ask
from lib.synthesis.vision.windows import window_of

TOGETHER = "all pictures together"


@dataclass(frozen=True)
class Draft:
    """Pictures, and what is asked about them; of a draft without an ``ask`` nothing is known but the kind."""

    kind: Kind
    pictures: tuple[Picture, ...]
    seed: int
    ask: Ask | None = None
    sentence: str = ""  # the question in plain words
    answer: str = ""

    @property
    def notes(self) -> list[str]:
        """What there is to see on each picture for the question."""
        return [self.ask.sees(picture) for picture in self.pictures] if self.ask else []


@dataclass(frozen=True)
class Told:
    """A question."""

    prompt: str
    answer: str
    evidence: tuple[dict, ...]  # rows of data_contracts.questions.EVIDENCE


@dataclass(frozen=True)
class Declined:
    """Why a draft became no question."""

    role: str  # a filter of the funnel
    reason: str
    example: str = ""


class Team(Protocol):
    name: str
    roles: tuple[str, ...]  # that turn drafts down, in their order

    @property
    def usage(self) -> Usage: ...

    def tell(self, drafts: Sequence[Draft]) -> list[Told | Declined]: ...


class TemplateTeam:
    """Goes by what is known of the pictures; deterministic and offline."""

    name = "template"
    roles = ()

    def __init__(self) -> None:
        self.usage = Usage()

    def tell(self, drafts: Sequence[Draft]) -> list[Told | Declined]:
        return [Told(draft.sentence, draft.answer, evidence_of(draft)) for draft in drafts]


def evidence_of(draft: Draft) -> tuple[dict, ...]:
    """A step for each picture, and one for what follows from all of them where it takes a step."""
    assert draft.ask is not None, "of pictures of which nothing is known, the team says what they show"
    steps = [
        picture_step(place, picture, draft.ask.sees(picture), draft.ask.finds(picture))
        for place, picture in enumerate(draft.pictures, start=1)
    ]
    if told := draft.ask.concludes(draft.pictures):
        steps.append({"page_id": "", "title": TOGETHER, "query": "", "fact": told, "value": draft.answer})
    return tuple(steps)


def picture_step(place: int, picture: Picture, seen: str, finding: str = "") -> dict:
    """What is seen on a picture, where one has to look closer for it, and what follows from it."""
    window = window_of(picture)
    return {
        "page_id": picture.id,
        "title": f"picture {place}",
        "query": json.dumps(window) if window else "",
        "fact": f"Picture {place}: {seen}",
        "value": finding,
    }
