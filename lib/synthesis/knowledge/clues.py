"""Clues: what may be said of an entity without naming it.

In: a graph and a split. Out: descriptions that pick out one entity, and clues that tell one of several
candidates apart. A clue is a verb phrase ("uses the currency Euro", "has a population between 200,000
and 500,000") and the entities of the whole graph of which it is true.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import UNTOLD_UNITS, attribute_words, format_value
from lib.synthesis.knowledge.blurring import Blur, blur_value
from lib.synthesis.knowledge.clauses import Kind, Mention, add_object
from lib.synthesis.knowledge.paths import LONGEST_ANSWER, Clue

# Clauses of a description; more cannot be followed in one sentence.
MOST_CLAUSES = 3
# A fact shared by more entities than this hardly narrows anything down.
LARGEST_CROWD = 2000


class ClueBook:
    """Clues about entities, made only from facts inside one split."""

    def __init__(self, graph: KnowledgeGraph, inside: np.ndarray, index: AttributeIndex):
        self._graph, self._inside, self._index = graph, inside, index

    def describe(
        self, node: int, *, avoid: set[int], chance: random.Random, asked: str = ""
    ) -> tuple[Clue, ...] | None:
        """Blurred clues that together hold for this entity only, among all of its type; None without.

        ``asked`` is the attribute of this entity that the question asks for, if any.
        """
        everyone = candidates = self._of_type(node)
        chosen: list[Clue] = []
        for clue in self._shuffled(node, avoid=avoid, chance=chance, blurred=True, asked=asked):
            left = np.intersect1d(candidates, clue.members, assume_unique=True)
            if len(left) == len(candidates):
                continue
            chosen.append(clue)
            candidates = left
            if len(candidates) == 1:
                return _without_idle(chosen, everyone)
            if len(chosen) == MOST_CLAUSES:
                return None
        return None

    def tell_apart(
        self, node: int, others: np.ndarray, *, avoid: set[int], chance: random.Random, blurred: bool, asked: str = ""
    ) -> Clue | None:
        """One clue that holds for this entity and for none of the other candidates; None without."""
        for clue in self._shuffled(node, avoid=avoid, chance=chance, blurred=blurred, asked=asked):
            if len(np.intersect1d(others, clue.members, assume_unique=True)) == 1:
                return clue
        return None

    def _of_type(self, node: int) -> np.ndarray:
        return np.flatnonzero(self._type_codes == self._type_codes[node])

    @cached_property
    def _type_codes(self) -> np.ndarray:  # [num_entities]
        return np.unique(np.array(self._graph.types), return_inverse=True)[1]

    def _shuffled(
        self, node: int, *, avoid: set[int], chance: random.Random, blurred: bool, asked: str
    ) -> Iterator[Clue]:
        """All clues about an entity in random order; members are computed as they are asked for."""
        graph = self._graph
        low, high = graph.adjacency.offsets[node], graph.adjacency.offsets[node + 1]
        facts = [
            (step, other)
            for step, other in zip(
                graph.adjacency.steps[low:high].tolist(), graph.adjacency.targets[low:high].tolist(), strict=True
            )
            if self._inside[other] and other not in avoid and not graph.unnamed[other]
        ]
        first_fact = chance.choice(facts) if facts else None
        rows = graph.attributes_of(node)
        told = [row for row in rows if row["unit"] not in UNTOLD_UNITS and row["name"] != asked]
        options = [*facts, *told]
        chance.shuffle(options)
        # A named neighbour first: without one, a search has nothing to go by.
        options.sort(key=lambda option: option is not first_fact)
        for option in options:
            clue = self._of_attribute(option, blurred) if isinstance(option, dict) else self._of_fact(*option)
            if clue is not None:
                yield clue

    def _of_fact(self, step: int, other: int) -> Clue | None:
        """The fact that ``step`` leads from the described entity to ``other``, who is named."""
        graph = self._graph
        if "," in graph.phrase(step):  # a parenthesis, which fits no longer sentence
            return None
        back = graph.reverse(step)
        members = graph.adjacency.follow(other, back)
        if len(members) > LARGEST_CROWD:
            return None
        return Clue(
            clause=add_object(graph.phrase(step), Mention(graph.titles[other], Kind.NAMED)),
            phrase=graph.phrase(step),
            keywords=f"{graph.wording(step)[2]} {graph.titles[other]}",
            value=graph.titles[other],
            anchor=other,
            members=members,
        )

    def _of_attribute(self, row: dict, blurred: bool) -> Clue | None:
        words, value = attribute_words(row["name"]), format_value(row)
        phrase = f"has the {words}"
        if row["kind"] == "boolean":
            phrase, value = ("is" if row["number"] else "is not"), words
            clause, members = f"{phrase} {words}", self._index.with_value(row)
        elif blurred:
            blur = blur_value(row)
            if blur is None:
                return None
            clause = f"has {article(words)} {words} {blur.text}"
            members = self._index.within(row["name"], blur)
        elif row["kind"] == "text" and len(row["text"]) > LONGEST_ANSWER:
            return None
        else:
            measured = row["kind"] == "number" and row["unit"]
            clause = f"has {article(words)} {words} of {value}" if measured else f"{phrase} {value}"
            members = self._index.with_value(row)
        return Clue(clause, phrase, words, value, None, members)


class AttributeIndex:
    """Who has which value, over the whole graph; one serves all splits."""

    def __init__(self, graph: KnowledgeGraph):
        self._rows: dict[str, list[tuple[int, dict]]] = {}
        self._by_value: dict[tuple[str, str], list[int]] = {}
        self._blurred: dict[tuple[str, str], np.ndarray] = {}
        for node in range(len(graph)):
            for row in graph.attributes_of(node):
                self._rows.setdefault(row["name"], []).append((node, row))
                self._by_value.setdefault((row["name"], format_value(row)), []).append(node)

    def with_value(self, row: dict) -> np.ndarray:
        """Entities, ascending, of which the attribute is written as in the row."""
        return np.array(self._by_value[(row["name"], format_value(row))], dtype=np.int32)

    def within(self, name: str, blur: Blur) -> np.ndarray:
        """Entities, ascending, whose value the vague one covers."""
        key = (name, blur.text)
        if key not in self._blurred:
            covered = [node for node, row in self._rows[name] if blur.covers(row)]
            self._blurred[key] = np.array(covered, dtype=np.int32)
        return self._blurred[key]


def _without_idle(clues: list[Clue], everyone: np.ndarray) -> tuple[Clue, ...]:
    """The clues that are needed to leave one entity; the first stays, since a search begins with it."""
    needed = list(clues)
    for clue in clues[1:]:
        others = [other for other in needed if other is not clue]
        left = everyone
        for other in others:
            left = np.intersect1d(left, other.members)
        if len(left) == 1:
            needed = others
    return tuple(needed)


def article(words: str) -> str:
    return "an" if words[:1].lower() in "aeiou" else "a"
