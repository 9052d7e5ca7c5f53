"""Small pieces of English: a verb phrase with its object, and descriptions made of several verb phrases.

In: verb phrases ("lies in the country") and ways to speak of their objects. Out: clauses ("lies in that
country"), modifiers ("in Nevada with an elevation of 20 feet") and patterns with their gap filled.
Nothing here knows a graph.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from enum import Enum

from lib.sources.wording import PARTICIPLES, PREPOSITIONS

# What a pattern gives as something that an entity has: "the capital of {x}", "What is the capital of {x}?"
OWNED = re.compile(r"(?P<before>|What is |Which is |Who is |Where are |Give |Name )the (?P<noun>[\w -]+) of \{x\}")
# Words after which a noun is more than the name of such a thing.
RELATIVES = frozenset("the that which whose where who in on with by from to for as at around".split())
STUTTER = re.compile(r"\b(\w+) \1\b")
# Words at which the name of a thing ends, and before them a participle: "the time zone kept in Offa".
ENDS = RELATIVES | {"of"}
COUNTING = frozenset(("one", "only", "sole", "single"))
# Shares of "its capital" among "its capital" and "the capital of that country".
OWNED_SHARE = 0.7


class Kind(Enum):
    NAMED = "named"  # "Chile"
    TOLD = "told"  # "the country in which Offa lies"
    POINTED = "pointed"  # "that country", for the one that was told last


@dataclass(frozen=True)
class Mention:
    """How an entity is spoken of; ``depth`` counts what one has to find out to understand it."""

    text: str
    kind: Kind
    depth: int = 0
    is_it: bool = False  # whether "its" speaks of it


def split_noun(phrase: str) -> tuple[str, str]:
    """``lies in the country`` -> ``("lies in", "country")``; the noun is empty where the phrase needs none."""
    words = phrase.split()
    if words[-1] in PREPOSITIONS:
        return phrase, ""
    verb, the, noun = phrase.rpartition(" the ")
    if the:
        return verb, noun
    cut = max((i for i, word in enumerate(words) if word in PREPOSITIONS), default=len(words) - 1)
    return " ".join(words[: cut + 1]), " ".join(words[cut + 1 :])


def add_object(phrase: str, known: Mention) -> str:
    """The verb phrase about a known entity; a noun that the entity's text says anyway is left out."""
    verb, noun = split_noun(phrase)
    if not noun:
        return f"{phrase} {known.text}"
    if known.kind is Kind.NAMED:
        says_it = verb != "has" and noun.split()[-1].lower() in re.findall(r"\w+", known.text.lower())
        return f"{verb if says_it else phrase} {known.text}"
    return f"has {known.text} as its {noun}" if verb == "has" else f"{verb} {known.text}"


def as_modifier(clause: str) -> str:
    """``is in Period 4`` -> ``in Period 4``; ``has the symbol Br`` -> ``with the symbol Br``; else ``that ...``."""
    first, _, rest = clause.partition(" ")
    second = rest.split(" ")[0]
    if first in ("is", "was") and (second in PREPOSITIONS or _is_participle(second)):
        return rest
    return f"with {rest}" if _tells_a_trait(clause) else f"that {clause}"


def describe(noun: str, clauses: list[str]) -> str:
    """A noun with all that is said of it: ``airport in Nevada with an elevation of 20 feet``."""
    if not clauses:
        return noun
    modifiers = {clause: as_modifier(clause) for clause in clauses}
    traits = [clause for clause in clauses if _tells_a_trait(clause)]
    others = [clause for clause in clauses if clause not in traits]
    if len(others) > 1 or not traits:  # a second relative clause would seem to speak of the noun before it
        return f"{noun} {modifiers[clauses[0]] if len(clauses) == 1 else f'that {join_verbs(clauses)}'}"
    if others and modifiers[others[0]].startswith("that "):
        return f"{noun} that {join_verbs(clauses)}"
    return " ".join([noun, *(modifiers[clause] for clause in others), as_modifier(join_verbs(traits))])


def join_verbs(clauses: list[str]) -> str:
    """Verb phrases in a row; what an entity has comes last and shares one verb."""
    traits = [clause for clause in clauses if _tells_a_trait(clause)]
    others = [clause for clause in clauses if clause not in traits]
    if traits:
        others.append(f"has {join_words([trait.removeprefix('has ') for trait in traits])}")
    return join_words(others)


def join_words(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _tells_a_trait(clause: str) -> bool:
    return clause.startswith(("has the ", "has a ", "has an "))


def name_of_thing(phrase: str) -> str:
    """``the only time zone used in Chile`` -> ``time zone``; empty where the phrase names no kind of thing."""
    words = phrase.split()[1:]
    ends = (i for i, word in enumerate(words) if word in ENDS or (_is_participle(word) and words[i + 1] in ENDS))
    return " ".join(word for word in words[: next(ends, None)] if word not in COUNTING)


def take_role(clauses: list[str]) -> tuple[str, list[str]]:
    """``["is the spouse of Ann", ...]`` -> ``("spouse of Ann", [...])``; empty where no clause gives a noun."""
    role = next((clause for clause in clauses if clause.startswith("is the ") and " of " in clause), "")
    return role.removeprefix("is the "), [clause for clause in clauses if clause != role]


def _is_participle(word: str) -> bool:
    return word.endswith("ed") or word == "kept" or (word in PARTICIPLES and word != "part")


def fill(patterns: list[str], known: Mention, chance: random.Random, *, unfit: str = "") -> str | None:
    """One of the patterns that read well around a mention; None where none does.

    Args:
        unfit: what a pattern must not hold, unless the entity is named.
    """
    fitting = [pattern for pattern in patterns if _fits(pattern, known, unfit)]
    if not fitting:
        return None
    pattern = chance.choice(fitting)
    owned = OWNED.match(pattern)
    if owned and known.is_it and chance.random() < OWNED_SHARE and not RELATIVES & set(owned["noun"].split()):
        pattern = f"{owned['before']}its {owned['noun']}{pattern[owned.end() :]}"
    if known.is_it:
        pattern = pattern.replace(" that {x} ", " that it ")  # not "that that country"
    return pattern.replace("{x}", known.text)


def _fits(pattern: str, known: Mention, unfit: str) -> bool:
    """A long phrase stands at the end, which keeps verbs near their subjects; no article or "most" before another."""
    if STUTTER.search(pattern):
        return False
    if known.kind is Kind.NAMED:
        return True
    if re.search(r"\b(the|a|an|most) \{x\}", pattern) or (unfit and unfit in pattern):
        return False
    return known.kind is Kind.POINTED or pattern.rstrip("?.").endswith("{x}")
