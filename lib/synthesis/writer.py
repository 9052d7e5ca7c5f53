"""What a writer is: it turns drafts into the words of questions.

A draft says what a question must ask and in which words it could; a writer answers each draft with a
prompt, or says why there is none. Writers know nothing of graphs, splits or filters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lib.chat_endpoint import Usage


@dataclass(frozen=True)
class Draft:
    """One question before it has words.

    ``wordings`` are complete questions to choose from, best first; ``in_sentences`` says that they lead up
    to the question, so that nothing fits before them. ``clues`` tell the chain in plain statements, from the
    start to what is asked.
    """

    seed: int
    wordings: tuple[str, ...]
    clues: tuple[str, ...]
    answer: str
    blurred: bool = False
    in_sentences: bool = False


@dataclass(frozen=True)
class Wording:
    """What a writer made of a draft; where that is no prompt, the funnel counts the reason and shows a detail."""

    prompt: str
    reason: str = ""
    detail: str = ""

    def __post_init__(self) -> None:
        assert self.prompt or self.reason, "a draft without a prompt is counted by its reason"


NO_WORDS = Wording("", "the writer found no words")


class Writer(Protocol):
    name: str

    @property
    def usage(self) -> Usage: ...

    def write(self, drafts: list[Draft]) -> list[Wording]: ...
