"""A long or vague chain told as a person would: what fits into one sentence, sentence by sentence.

In: a path whose clues and look-ups are too many for one phrase. Out: sentences that end with the
question. An entity is told by a phrase about the one before it ("the capital of the country in which Offa
lies"); when the phrase has grown, it becomes a sentence, and the next one points back ("that city").
"""

from __future__ import annotations

import random

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import attribute_words
from lib.sources.titles import one_line
from lib.synthesis.knowledge.clauses import (
    Kind,
    Mention,
    add_object,
    describe,
    fill,
    join_verbs,
    name_of_thing,
    split_noun,
    take_role,
)
from lib.synthesis.knowledge.paths import Path

BEGINNINGS = ("Start with", "Take", "Think of", "Begin with")
CONTINUATIONS = ("Go on to", "From there, go to", "Then find", "Next, take", "Now find")
ONLY = ("Only one", "Just one", "Exactly one")
ORDINALS = ("", "second ", "third ", "fourth ", "fifth ")
ATTRIBUTE_QUESTIONS = ["What is the {words} of {x}?", "Which {words} does {x} have?", "Give the {words} of {x}."]
YEAR_QUESTIONS = ["What is the {words} of {x}?", "Give the {words} of {x}."]
# Types of which "its" is not said.
PERSONS = frozenset("person human man woman discoverer scientist actor author writer artist politician player".split())
# Entities that a phrase tells before it becomes a sentence of its own; one of these is drawn a question.
DEPTHS = (1, 1, 2)
# A sentence with more words than this is hard to follow; each further word counts double.
LONG_SENTENCE = 20


def tell(graph: KnowledgeGraph, path: Path, chance: random.Random) -> list[str]:
    """The sentences of one wording; the last one asks."""
    return _Telling(graph, path, chance).tell()


def type_of(graph: KnowledgeGraph, path: Path, position: int) -> str:
    """What kind of thing the entity at a position is."""
    return one_line(graph.types[path.nodes[position]]) or "entity"


def effort_to_read(sentences: list[str]) -> int:
    """Words, more for long sentences, for a second "of" in one and for a word said twice in a row."""
    effort = 0
    for sentence in sentences:
        words = sentence.lower().split()
        repeated = sum(one == other for one, other in zip(words, words[1:], strict=False))
        effort += len(words) + max(0, len(words) - LONG_SENTENCE) + 5 * max(0, words.count("of") - 1) + 12 * repeated
    return effort


class _Telling:
    """One wording in the making: the sentences so far, and what was called how."""

    def __init__(self, graph: KnowledgeGraph, path: Path, chance: random.Random):
        self._graph, self._path, self._chance = graph, path, chance
        self._sentences: list[str] = []
        self._called: dict[int, str] = {}  # position -> the noun by which it is pointed back at
        self._deepest = chance.choice(DEPTHS)

    def tell(self) -> list[str]:
        path = self._path
        mention = self._introduce()
        last_told = len(path.steps) - (path.attribute is None)
        for position in range(1, last_told + 1):
            if path.clues_at(position):
                mention = self._single_out(position, self._point_back(mention, position - 1))
            else:
                mention = self._lead_on(position, mention)
        self._ask(mention, last_told)
        return self._sentences

    def _introduce(self) -> Mention:
        clauses = [clue.clause for clue in self._path.clues_at(0)]
        if not clauses:
            return Mention(self._graph.titles[self._path.nodes[0]], Kind.NAMED)
        told = Mention(self._tell_all(0, clauses), Kind.TOLD, 1)
        if len(clauses) == 1 and self._chance.random() < 0.5:
            return told
        if not self._name(0, clauses)[1] or self._chance.random() < 0.5:
            return self._point_back(told, 0)
        return self._say_only(0, clauses)

    def _lead_on(self, position: int, known: Mention) -> Mention:
        """A phrase about the next entity, which a step reaches alone."""
        if known.depth >= self._deepest:
            known = self._point_back(known, position - 1)
        step = self._path.steps[position - 1]
        phrase = fill(self._graph.wording(step)[0], known, self._chance, unfit=self._unfit(step))
        if phrase is None:
            return Mention(self._tell_all(position, [self._relation(position, known)]), Kind.TOLD, known.depth + 1)
        self._called[position] = name_of_thing(phrase) or self._type(position) or "one"
        return Mention(phrase, Kind.TOLD, known.depth + 1)

    def _single_out(self, position: int, known: Mention) -> Mention:
        """A sentence about the one of several entities of which the clues are true."""
        clauses = [self._relation(position, known), *(clue.clause for clue in self._path.clues_at(position))]
        if self._chance.random() < 0.4:
            return self._point_back(Mention(self._tell_all(position, clauses), Kind.TOLD, 1), position)
        return self._say_only(position, clauses)

    def _ask(self, known: Mention, position: int) -> None:
        """The question, with the entity at ``position`` as the last one told."""
        path, graph = self._path, self._graph
        clues = path.clues_at(len(path.steps)) if path.attribute is None else []
        if known.depth > self._deepest or clues:
            known = self._point_back(known, position)
        if path.attribute is not None:
            patterns = YEAR_QUESTIONS if path.attribute["kind"] == "year" else ATTRIBUTE_QUESTIONS
            words = attribute_words(path.attribute["name"])
            asked = fill([pattern.replace("{words}", words) for pattern in patterns], known, self._chance)
        elif clues:
            clauses = [self._relation(len(path.steps), known), *(clue.clause for clue in clues)]
            asked = f"Which {self._tell_one(len(path.steps), clauses)}?"
        else:
            step, relation = path.steps[-1], self._relation(len(path.steps), known)
            asked = fill(graph.wording(step)[1], known, self._chance, unfit=self._unfit(step))
            asked = asked or f"Which {type_of(graph, path, len(path.steps))} {relation}?"
        assert asked, "a question about an attribute fits every mention"
        self._sentences.append(asked)

    def _tell_all(self, position: int, clauses: list[str]) -> str:
        """``the airport in Nevada with the IATA code RNO``."""
        noun, rest = self._name(position, clauses)
        return f"the {describe(noun, rest)}"

    def _tell_one(self, position: int, clauses: list[str]) -> str:
        """``airport in Nevada has the IATA code RNO``."""
        noun, rest = self._name(position, clauses)
        assert rest, "a noun that says all there is leaves no sentence to be made"
        subject = describe(noun, rest[:1]) if rest == clauses and len(rest) > 1 else noun
        return f"{subject} {join_verbs(rest[1:] if subject != noun else rest)}"

    def _name(self, position: int, clauses: list[str]) -> tuple[str, list[str]]:
        """A noun for an entity, and the clauses that it leaves to be told: its type, or what a clause calls it."""
        type_, (role, rest) = self._type(position), take_role(clauses)
        name = role.partition(" of ")[0]
        if role and (not type_ or name.endswith(type_) or type_.startswith(name)):
            self._called[position] = name
            return role, rest
        self._called[position] = type_ or "entity"
        return type_ or "entity", clauses

    def _say_only(self, position: int, clauses: list[str]) -> Mention:
        return self._say(f"{self._open(ONLY)} {self._tell_one(position, clauses)}.", position)

    def _point_back(self, mention: Mention, position: int) -> Mention:
        """The same entity in few words, after a sentence that tells it where it is not yet told."""
        if mention.kind is not Kind.TOLD:
            return mention
        openings = CONTINUATIONS if self._sentences else BEGINNINGS
        return self._say(f"{self._open(openings)} {mention.text}.", position)

    def _open(self, choices: tuple[str, ...]) -> str:
        """A beginning that no earlier sentence has, while there are such."""
        fresh = [choice for choice in choices if not any(told.startswith(choice) for told in self._sentences)]
        return self._chance.choice(fresh or choices)

    def _say(self, sentence: str, position: int) -> Mention:
        self._sentences.append(sentence)
        name, type_ = self._called[position], self._type(position)
        before = sum(self._called.get(earlier) == name for earlier in range(position))
        ordinal = ORDINALS[before] if before < len(ORDINALS) else "last "
        is_it = bool(type_) and type_.split()[-1].lower() not in PERSONS
        return Mention(f"that {ordinal}{name}", Kind.POINTED, is_it=is_it)

    def _relation(self, position: int, known: Mention) -> str:
        """What leads from the known entity to the one at a position, as a clause about the latter."""
        return add_object(self._graph.phrase(self._graph.reverse(self._path.steps[position - 1])), known)

    def _type(self, position: int) -> str:
        return one_line(self._graph.types[self._path.nodes[position]])

    def _unfit(self, step: int) -> str:
        """What a pattern must not hold: "in country {x}", which reads well around a name only."""
        back = self._graph.phrase(self._graph.reverse(step))
        return f"{back} {{x}}" if split_noun(back)[1] else ""
