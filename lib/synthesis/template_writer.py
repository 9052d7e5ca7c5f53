"""The embedded writer: deterministic and offline, it chooses one of the draft's own wordings."""

from __future__ import annotations

import random

from lib.chat_endpoint import Usage
from lib.synthesis.writer import NO_WORDS, Draft, Wording

OPENINGS = ("", "", "", "", "", "Please tell me: ", "I would like to know: ", "Can you find out: ")


class TemplateWriter:
    name = "template"

    def __init__(self) -> None:
        self.usage = Usage()

    def write(self, drafts: list[Draft]) -> list[Wording]:
        return [self._write_one(draft) for draft in drafts]

    @staticmethod
    def _write_one(draft: Draft) -> Wording:
        if not draft.wordings:
            return NO_WORDS
        chance = random.Random(draft.seed)
        wording = chance.choice(draft.wordings)
        opening = chance.choice(OPENINGS) if wording.endswith("?") and not draft.in_sentences else ""
        return Wording(capitalise(opening + wording).strip())


def capitalise(text: str) -> str:
    """The first letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]
