"""English for a path: noun phrases laid into each other, and a question around them.

In: a path and a way to name its start. Out: complete questions to choose from. Up to three look-ups
nest ("the currency of the country in which {start} lies"); more would not be understood, so a longer
path is told step by step.
"""

from __future__ import annotations

import random

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import attribute_words
from lib.synthesis.knowledge.paths import Path

# Look-ups that one sentence carries.
DEEPEST_NEST = 3
NUM_WORDINGS = 3

ATTRIBUTE_NOUNS = ("the {words} of {x}",)
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
    for i, step in enumerate(path.steps):
        noun = graph.wording(step)[0][0].replace("{x}", f"entity {i}" if i else start)
        clues.append(f"Entity {i + 1} is {noun}.")
    last = f"entity {len(path.steps)}" if path.steps else start
    asked = f"the {attribute_words(path.attribute['name'])} of {last}" if path.attribute else last
    return (*clues, f"The question asks for {asked}.")


def _nest(graph: KnowledgeGraph, path: Path, start: str, chance: random.Random) -> str:
    text = start
    inner = path.steps if path.attribute else path.steps[:-1]
    for step in inner:
        text = chance.choice(graph.wording(step)[0]).replace("{x}", text)
    return _ask(graph, path, text, chance)


def _tell_in_steps(graph: KnowledgeGraph, path: Path, start: str, chance: random.Random) -> str:
    inner = path.steps if path.attribute else path.steps[:-1]
    nouns = [chance.choice(graph.wording(step)[0]) for step in inner]
    sentences = [f"Take {nouns[0].replace('{x}', start)}."] if nouns else [f"Take {start}."]
    for i, noun in enumerate(nouns[1:]):
        opening = ("From there, go to", "Then find", "Next comes", "Go on to")[i % 4]
        sentences.append(f"{opening} {noun.replace('{x}', 'it')}.")
    return " ".join([*sentences, _ask(graph, path, "it", chance)])


def _ask(graph: KnowledgeGraph, path: Path, text: str, chance: random.Random) -> str:
    if path.attribute is None:
        return chance.choice(graph.wording(path.steps[-1])[1]).replace("{x}", text)
    choices = YEAR_QUESTIONS if path.attribute["kind"] == "year" else ATTRIBUTE_QUESTIONS
    return chance.choice(choices).replace("{words}", attribute_words(path.attribute["name"])).replace("{x}", text)
