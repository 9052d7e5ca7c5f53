"""English for a path: noun phrases laid into each other, and a question around them.

In: a path. Out: complete questions to choose from. Two look-ups from a named start nest ("the currency of
the country in which Offa lies"); what is longer or vague is told sentence by sentence.
"""

from __future__ import annotations

import random

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import attribute_words
from lib.synthesis.knowledge.clauses import Kind, Mention, add_object, describe
from lib.synthesis.knowledge.paths import Path
from lib.synthesis.knowledge.telling import ATTRIBUTE_QUESTIONS, YEAR_QUESTIONS, effort_to_read, tell, type_of

# Look-ups that one sentence carries.
DEEPEST_NEST = 2
NUM_WORDINGS = 3
# Tellings among which the easiest to read are chosen.
NUM_TELLINGS = 8


def is_told_in_sentences(path: Path) -> bool:
    """Whether a path is too long or too vague for one sentence."""
    return bool(path.clues) or path.num_lookups > DEEPEST_NEST


def phrase_questions(graph: KnowledgeGraph, path: Path, *, seed: int) -> tuple[str, ...]:
    """A few wordings of the same question, drawn with the seed."""
    chance = random.Random(seed)
    if not is_told_in_sentences(path):
        return tuple(dict.fromkeys(_nest(graph, path, chance) for _ in range(NUM_WORDINGS)))
    tellings = [tell(graph, path, chance) for _ in range(NUM_TELLINGS)]
    tellings.sort(key=effort_to_read)
    return tuple(dict.fromkeys(" ".join(sentences) for sentences in tellings))[:NUM_WORDINGS]


def tell_clues(graph: KnowledgeGraph, path: Path, start: str) -> tuple[str, ...]:
    """The chain as statements, for a writer that finds its own words."""
    clues = [f"The chain starts at {start}."]
    for i, step in enumerate(path.steps, start=1):
        known = f"entity {i - 1}" if i > 1 else start
        if told := path.clues_at(i):
            relation = add_object(graph.phrase(graph.reverse(step)), Mention(known, Kind.POINTED))
            noun = f"the {describe(type_of(graph, path, i), [relation, *(clue.clause for clue in told)])}"
        else:
            noun = _fill(graph.wording(step)[0], known, random.Random(i - 1))
        clues.append(f"Entity {i} is {noun}.")
    last = f"entity {len(path.steps)}" if path.steps else start
    asked = f"the {attribute_words(path.attribute['name'])} of {last}" if path.attribute else last
    return (*clues, f"The question asks for {asked}.")


def name_start(graph: KnowledgeGraph, path: Path) -> str:
    """The start's title, or its description where clues replace the name."""
    clues = path.clues_at(0)
    if not clues:
        return graph.titles[path.nodes[0]]
    return f"the {describe(type_of(graph, path, 0), [clue.clause for clue in clues])}"


def _nest(graph: KnowledgeGraph, path: Path, chance: random.Random) -> str:
    text = graph.titles[path.nodes[0]]
    for step in path.steps[: len(path.steps) - (path.attribute is None)]:
        text = _fill(graph.wording(step)[0], text, chance)
    if path.attribute is None:
        return _fill(graph.wording(path.steps[-1])[1], text, chance)
    patterns = YEAR_QUESTIONS if path.attribute["kind"] == "year" else ATTRIBUTE_QUESTIONS
    words = attribute_words(path.attribute["name"])
    return _fill([pattern.replace("{words}", words) for pattern in patterns], text, chance)


def _fill(patterns: list[str], known: str, chance: random.Random) -> str:
    """One of the patterns; around a long phrase one that it ends, which keeps verbs near their subjects."""
    endings = ("{x}", "{x}?", "{x}.")
    fitting = [pattern for pattern in patterns if pattern.endswith(endings)] if known.startswith("the ") else patterns
    return chance.choice(fitting or patterns).replace("{x}", known)
