"""How a relation reads in English.

In: a relation's name, or phrases that somebody wrote for it. Out: a verb phrase for pages, noun
phrases and questions with a gap ``{x}`` for the known entity, and key words for a search, each for
a step along the arrow and against it. Nothing here knows a particular graph.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

PREPOSITIONS = frozenset("of in on at by to from for with as into over under near after before".split())
# First words that make a relation's name a verb phrase ("has capital", "is part of", "contains").
VERBS = frozenset("is are was has have had contains includes uses borders owns plays".split())


@dataclass(frozen=True)
class RelationWording:
    """Phrases of one relation; ``inverse_`` stands for the step from the object to the subject."""

    relation: str
    phrase: str
    inverse_phrase: str
    nouns: tuple[str, ...]
    inverse_nouns: tuple[str, ...]
    questions: tuple[str, ...]
    inverse_questions: tuple[str, ...]
    keywords: str
    inverse_keywords: str

    def row(self) -> dict:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def split_words(name: str) -> str:
    """Plain words of a relation's or attribute's name: ``/film/film/directed_by`` -> ``directed by``."""
    last = [part for part in re.split(r"[/#]", name) if part.strip("._ ")]
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", last[-1] if last else name)
    return " ".join(re.sub(r"[_\-.]+", " ", text).split()).lower() or name


def derive_wording(relation: str, phrase: str = "", inverse_phrase: str = "", *, words: str = "") -> RelationWording:
    """Phrases for a relation of which only the name, or also its verb phrases, are known."""
    words = words or split_words(relation)
    first, last = words.split()[0], words.split()[-1]
    if first in VERBS or last in PREPOSITIONS:
        return _from_verb(relation, words, phrase, inverse_phrase)
    if first.endswith("ed") and len(words.split()) > 1:
        return _from_verb(relation, f"is {words}", phrase, inverse_phrase)
    return _from_noun(relation, words, phrase, inverse_phrase)


def _from_noun(relation: str, words: str, phrase: str, inverse_phrase: str) -> RelationWording:
    """For names such as ``origin`` or ``official language``."""
    return RelationWording(
        relation=relation,
        phrase=phrase or f"has the {words}",
        inverse_phrase=inverse_phrase or f"is the {words} of",
        nouns=(f"the {words} of {{x}}",),
        inverse_nouns=(f"the one whose {words} is {{x}}", f"the one that has {{x}} as its {words}"),
        questions=(f"What is the {words} of {{x}}?", f"Which one is the {words} of {{x}}?"),
        inverse_questions=(f"What has {{x}} as its {words}?", f"What has the {words} {{x}}?"),
        keywords=words,
        inverse_keywords=words,
    )


def _from_verb(relation: str, words: str, phrase: str, inverse_phrase: str) -> RelationWording:
    """For names such as ``located in`` or ``has part``."""
    verb = words if words.split()[0] in VERBS or words.split()[0].endswith("s") else f"is {words}"
    return RelationWording(
        relation=relation,
        phrase=phrase or verb,
        inverse_phrase=inverse_phrase or f"is, by “{words}”, named for",
        nouns=(f"what {{x}} {verb}",),
        inverse_nouns=(f"the one that {verb} {{x}}",),
        questions=(f"What is it that {{x}} {verb}?", f"Name what {{x}} {verb}."),
        inverse_questions=(f"What {verb} {{x}}?", f"Name the one that {verb} {{x}}."),
        keywords=words,
        inverse_keywords=words,
    )
