"""How a relation reads in English.

In: a relation's name, or phrases that somebody wrote for it. Out: a verb phrase for pages, noun
phrases and questions with a gap ``{x}`` for the known entity, and key words for a search, each for
a step along the arrow and against it. Nothing here knows a particular graph.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace

PREPOSITIONS = frozenset("of in on at by to from for with as into over under near after before".split())
# First words that make a relation's name a verb phrase, each with how the object would say it alone.
VERBS = {
    "is": "is what is", "has": "belongs to", "contains": "is contained in", "includes": "is included in",
    "uses": "is used by", "borders": "borders", "owns": "is owned by", "plays": "is played by",
    "serves": "is served by", "produces": "is produced by", "wrote": "was written by", "knows": "is known by",
}  # fmt: skip
# Verbs that stand alone before a preposition, and participles without the ending "ed".
THIRD_PERSON = frozenset("shares lies belongs flows comes lives works stems plays stands".split())
PARTICIPLES = frozenset("born part written made known found spoken held member built sung taught".split())


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


def name_types(wording: RelationWording, subject_type: str, object_type: str) -> RelationWording:
    """The same with "the country" for "the one", where all subjects or all objects are of one type."""

    def told(phrases: tuple[str, ...], type_: str) -> tuple[str, ...]:
        return tuple(phrase.replace("the one ", f"the {type_} ") for phrase in phrases) if type_ else phrases

    return replace(
        wording,
        nouns=told(wording.nouns, object_type),
        questions=told(wording.questions, object_type),
        inverse_nouns=told(wording.inverse_nouns, subject_type),
        inverse_questions=told(wording.inverse_questions, subject_type),
    )


def split_words(name: str) -> str:
    """Plain words of a relation's or attribute's name: ``/film/film/directed_by`` -> ``directed by``."""
    last = [part for part in re.split(r"[/#]", name) if part.strip("._ ")]
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", last[-1] if last else name)
    return " ".join(re.sub(r"[_\-.]+", " ", text).split()).lower() or name


def derive_wording(relation: str, phrase: str = "", inverse_phrase: str = "", *, words: str = "") -> RelationWording:
    """Phrases for a relation of which only the name, or also its verb phrases, are known."""
    parts = (words or split_words(relation)).split()
    if parts[0] in VERBS:
        made = _from_verb(relation, parts)
    elif _reads_as_verb(parts):
        made = _from_participle(relation, parts)
    elif parts[-1] == "of" and len(parts) > 1:
        made = _turn_round(_from_noun(relation, " ".join(parts[:-1])))
    else:
        made = _from_noun(relation, " ".join(parts))
    return replace(made, phrase=phrase or made.phrase, inverse_phrase=inverse_phrase or made.inverse_phrase)


def _reads_as_verb(parts: list[str]) -> bool:
    """Whether a name tells what something is or does ("part of", "born in city") rather than what it has."""
    first = parts[0]
    starts = first in PREPOSITIONS or first in THIRD_PERSON or first in PARTICIPLES or first.endswith("ed")
    return starts and any(part in PREPOSITIONS for part in parts)


def _from_noun(relation: str, words: str) -> RelationWording:
    """For names such as ``origin`` or ``official language``."""
    return RelationWording(
        relation=relation,
        phrase=f"has the {words}",
        inverse_phrase=f"is the {words} of",
        nouns=(f"the {words} of {{x}}",),
        inverse_nouns=(f"the one whose {words} is {{x}}", f"the one that has {{x}} as its {words}"),
        questions=(f"What is the {words} of {{x}}?", f"Give the {words} of {{x}}."),
        inverse_questions=(f"What has {{x}} as its {words}?", f"Whose {words} is {{x}}?"),
        keywords=words,
        inverse_keywords=words,
    )


def _turn_round(wording: RelationWording) -> RelationWording:
    """For names such as ``first level division of``, which are nouns that the subject is."""
    return replace(
        wording,
        phrase=wording.inverse_phrase,
        inverse_phrase=wording.phrase,
        nouns=wording.inverse_nouns,
        inverse_nouns=wording.nouns,
        questions=wording.inverse_questions,
        inverse_questions=wording.questions,
    )


def _from_verb(relation: str, parts: list[str]) -> RelationWording:
    """For names such as ``contains`` or ``has part``."""
    verb, words = parts[0], " ".join(parts)
    if rest := " ".join(parts[1:]):
        inverse = f"is the {rest} of" if verb != "is" else f"has as what {words}"
        noun = f"the {rest} of {{x}}" if verb != "is" else f"what {{x}} {words}"
    else:
        inverse, noun = VERBS[verb], f"the one that {VERBS[verb]} {{x}}"
    return RelationWording(
        relation=relation,
        phrase=words,
        inverse_phrase=inverse,
        nouns=(noun,),
        inverse_nouns=(f"the one that {words} {{x}}",),
        questions=(f"What is {noun}?", f"Name {noun}."),
        inverse_questions=(f"What {words} {{x}}?", f"Name the one that {words} {{x}}."),
        keywords=words,
        inverse_keywords=words,
    )


def _from_participle(relation: str, parts: list[str]) -> RelationWording:
    """For names such as ``directed by``, ``located in country``, ``in time zone`` or ``part of``."""
    verb = "" if parts[0] in THIRD_PERSON else "is "
    words = " ".join(parts)
    cut = max(i for i, part in enumerate(parts) if part in PREPOSITIONS)
    link, rest = parts[cut], " ".join(parts[cut + 1 :])
    head = " ".join(parts[:cut])
    if rest:
        noun = f"the {rest} that {{x}} {verb}{head} {link}" if head else f"the {rest} of {{x}}"
        inverse = f"is the {rest} of"
    else:
        noun = f"the one that {{x}} {verb}{words}"
        inverse = head if link == "by" else f"has, {words} it,"
        if parts[0] == "shares":  # what one shares with another, the other shares too
            inverse = words
    return RelationWording(
        relation=relation,
        phrase=f"{verb}{words}",
        inverse_phrase=inverse,
        nouns=(noun,),
        inverse_nouns=(f"the one that {verb}{words} {{x}}",),
        questions=(f"What is {noun}?", f"Name {noun}."),
        inverse_questions=(f"What {verb}{words} {{x}}?", f"Name the one that {verb}{words} {{x}}."),
        keywords=words,
        inverse_keywords=words,
    )
