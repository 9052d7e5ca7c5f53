"""English for a path: noun phrases laid into each other, and a question around them.

In: a path and a way to name its start. Out: complete questions to choose from. Up to three look-ups
nest ("the currency of the country in which {start} lies"); more would not be understood, so a longer
path is told step by step.
"""

from __future__ import annotations

import random
import re

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import attribute_words
from lib.sources.wording import PREPOSITIONS
from lib.synthesis.knowledge.paths import Path

# Look-ups that one sentence carries.
DEEPEST_NEST = 3
NUM_WORDINGS = 3
OPENINGS = ("Then find", "Next comes", "Go on to", "From there, go to")

ATTRIBUTE_QUESTIONS = ("What is the {words} of {x}?", "Which {words} does {x} have?", "Give the {words} of {x}.")
YEAR_QUESTIONS = ("What is the {words} of {x}?", "Give the {words} of {x}.")


def phrase_questions(graph: KnowledgeGraph, path: Path, start: str, *, seed: int) -> tuple[str, ...]:
    """A few wordings of the same question, drawn with the seed."""
    chance = random.Random(seed)
    write = _nest if path.num_lookups <= DEEPEST_NEST else _tell_in_steps
    return tuple(dict.fromkeys(write(graph, path, start, chance) for _ in range(NUM_WORDINGS)))


def tell_clues(graph: KnowledgeGraph, path: Path, start: str) -> tuple[str, ...]:
    """The chain as statements, for a writer that finds its own words."""
    clues = [f"The chain starts at {start}."]
    for i in range(len(path.steps)):
        noun = _noun(graph, path, i + 1, f"entity {i}" if i else start, random.Random(i))
        clues.append(f"Entity {i + 1} is {noun}.")
    last = f"entity {len(path.steps)}" if path.steps else start
    asked = f"the {attribute_words(path.attribute['name'])} of {last}" if path.attribute else last
    return (*clues, f"The question asks for {asked}.")


def _nest(graph: KnowledgeGraph, path: Path, start: str, chance: random.Random) -> str:
    text = start
    for position in range(1, _num_inner(path) + 1):
        text = _noun(graph, path, position, text, chance)
    return _ask(graph, path, text, chance)


def _tell_in_steps(graph: KnowledgeGraph, path: Path, start: str, chance: random.Random) -> str:
    sentences = []
    for position in range(1, _num_inner(path) + 1):
        opening = OPENINGS[position % len(OPENINGS)] if position > 1 else "Take"
        sentences.append(f"{opening} {_noun(graph, path, position, 'it' if position > 1 else start, chance)}.")
    return " ".join([*sentences, _ask(graph, path, "it", chance)])


def _num_inner(path: Path) -> int:
    """Entities after the start that the question mentions without asking for them."""
    return len(path.steps) - (path.attribute is None)


def _noun(graph: KnowledgeGraph, path: Path, position: int, known: str, chance: random.Random) -> str:
    """The entity at a position, told from the one before it."""
    step = path.steps[position - 1]
    if clues := path.clues_at(position):
        clauses = [clue.clause for clue in clues]
        return f"the {_type(graph, path, position)} that {_seen_from_target(graph, step, clauses, known)}"
    return _fill(graph.wording(step)[0], known, chance)


def _fill(patterns: list[str], known: str, chance: random.Random) -> str:
    """One of the patterns; around a long phrase one that it ends, which keeps verbs near their subjects."""
    endings = ("{x}", "{x}?", "{x}.")
    fitting = [pattern for pattern in patterns if pattern.endswith(endings)] if known.startswith("the ") else patterns
    return chance.choice(fitting or patterns).replace("{x}", known)


def _seen_from_target(graph: KnowledgeGraph, step: int, clauses: list[str], known: str) -> str:
    """The clues first, so that they cannot be read as if they spoke of ``known``."""
    return join_clauses([*clauses, join_object(graph.phrase(graph.reverse(step)), known)])


def join_object(phrase: str, known: str) -> str:
    """Verb phrase and object: before "the ...", "lies in the country" loses its noun, since another follows."""
    if not known.startswith("the ") or phrase.split()[-1] in PREPOSITIONS:
        return f"{phrase} {known}"
    if phrase.startswith("has the "):
        return f"has as its {phrase.removeprefix('has the ')} {known}"
    return f"{re.sub(r' the [^,]+$', '', phrase)} {known}"


def _type(graph: KnowledgeGraph, path: Path, position: int) -> str:
    return graph.types[path.nodes[position]] or "entity"


def name_start(graph: KnowledgeGraph, path: Path) -> str:
    """The start's title, or its description where clues replace the name."""
    clues = path.clues_at(0)
    if not clues:
        return graph.titles[path.nodes[0]]
    return f"the {_type(graph, path, 0)} that {join_clauses([clue.clause for clue in clues])}"


def join_clauses(clauses: list[str]) -> str:
    return clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"


def _ask(graph: KnowledgeGraph, path: Path, text: str, chance: random.Random) -> str:
    if path.attribute is None:
        if clues := path.clues_at(len(path.steps)):
            clauses = [clue.clause for clue in clues]
            told = _seen_from_target(graph, path.steps[-1], clauses, text)
            return f"Which {_type(graph, path, len(path.steps))} {told}?"
        return _fill(graph.wording(path.steps[-1])[1], text, chance)
    choices = YEAR_QUESTIONS if path.attribute["kind"] == "year" else ATTRIBUTE_QUESTIONS
    words = attribute_words(path.attribute["name"])
    return _fill([choice.replace("{words}", words) for choice in choices], text, chance)
