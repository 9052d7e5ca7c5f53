"""A path through the graph that a question is about, and the questions whether it is a good one.

In: walks. Out: paths, each a start, the steps that lead on and, where the question asks for an
attribute of the last entity, that attribute. A look-up is one thing to find out: a step or the
attribute; the number of look-ups is a question's number of hops.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import format_value
from lib.synthesis.knowledge.walks import Walks

# Longer texts are descriptions, not answers.
LONGEST_ANSWER = 40
MOST_WORDS = 5


@dataclass(frozen=True)
class Clue:
    """Something true of an entity, told without its name."""

    clause: str  # a verb phrase: "uses the currency Euro"
    phrase: str  # how a written page begins to tell it: "uses the currency"
    keywords: str  # what a search adds for it
    value: str  # what the entity's page says there
    anchor: int | None  # the entity that the clause names
    members: np.ndarray = field(compare=False, repr=False)  # all entities of which it is true, ascending


@dataclass(frozen=True)
class Path:
    """``nodes`` [hops + 1] and ``steps`` [hops] as codes of the graph; ``attribute`` is a row of its table.

    ``clues`` pairs a position in ``nodes`` with a clue about that entity; clues at 0 describe the start,
    which is then not named.
    """

    nodes: tuple[int, ...]
    steps: tuple[int, ...]
    attribute: dict | None = None
    clues: tuple[tuple[int, Clue], ...] = ()

    def clues_at(self, position: int) -> list[Clue]:
        return [clue for i, clue in self.clues if i == position]

    @property
    def num_lookups(self) -> int:
        return len(self.steps) + (self.attribute is not None)

    @property
    def key(self) -> tuple:
        """What makes two paths the same question."""
        return (self.nodes, self.steps, self.attribute and self.attribute["name"])


def may_answer(row: dict) -> bool:
    """Whether an attribute has an exact answer: a short text, a year or a number without a unit.

    Measured numbers (population, area) have units; nobody remembers them exactly, and sources differ.
    """
    if row["kind"] == "text":
        return len(row["text"]) <= LONGEST_ANSWER and len(row["text"].split()) <= MOST_WORDS
    return row["kind"] == "year" or (row["kind"] == "number" and not row["unit"] and float(row["number"]).is_integer())


def cut_paths(
    graph: KnowledgeGraph, walks: Walks, *, lookups: np.ndarray, answer: str, generator: np.random.Generator
) -> list[Path]:
    """One path a walker: its first edges, as many as its wanted look-ups, maybe the last an attribute.

    Args:
        lookups: [num_walkers], wanted look-ups of each.
        answer: "entity", "attribute" or "either", as in the settings.
    """
    paths = []
    coins, picks = generator.random(len(lookups)), generator.random(len(lookups))
    for nodes, steps, wanted, coin, pick in zip(
        walks.nodes.tolist(), walks.steps.tolist(), lookups.tolist(), coins, picks, strict=True
    ):
        length = sum(step >= 0 for step in steps)
        as_attribute = answer == "attribute" or (answer == "either" and coin < 0.5)
        edges = wanted - 1 if as_attribute else wanted
        if edges > length or (edges == 0 and not as_attribute):
            continue
        row = None
        if as_attribute:
            rows = [row for row in graph.attributes_of(nodes[edges]) if may_answer(row)]
            if not rows:
                continue
            row = rows[int(pick * len(rows))]
        paths.append(Path(tuple(nodes[: edges + 1]), tuple(steps[:edges]), row))
    return paths


def answer_of(graph: KnowledgeGraph, path: Path) -> tuple[str, list[str]]:
    """The answer and other texts that mean the same."""
    if path.attribute is None:
        last = path.nodes[-1]
        label = " ".join(graph.labels[last].split())
        others = [*graph.aliases[last], graph.titles[last]]
        return label, [other for other in dict.fromkeys(others) if other and other != label]
    text = format_value(path.attribute)
    if path.attribute["kind"] == "text":
        bare = text.lstrip("+.")
        return text, [bare] if bare not in ("", text) else []
    number = str(int(path.attribute["number"]))
    return text, [number] if number != text else []


def pattern_of(graph: KnowledgeGraph, path: Path) -> tuple[str, ...]:
    """The names of the steps, and of the attribute after "@"."""
    names = [graph.step_name(step) for step in path.steps]
    return (*names, f"@{path.attribute['name']}") if path.attribute else tuple(names)


def find_ambiguity(graph: KnowledgeGraph, path: Path) -> str:
    """Why a question does not say which entity it means, or its answer not which it is; empty where they do."""
    if path.attribute is None and graph.unnamed[path.nodes[-1]]:
        return "the answer has no name"
    named = [clue.anchor for _, clue in path.clues if clue.anchor is not None]
    if not path.clues_at(0):
        named.append(path.nodes[0])
    if any(graph.titles[node].casefold() in graph.shared_titles for node in named):
        return "several entities have the title that is to name one"
    return "" if is_unique(graph, path) else "a step reaches several entities"


def is_unique(graph: KnowledgeGraph, path: Path) -> bool:
    """Execute the question on ids, over the whole graph: every stage must leave exactly one entity.

    A described start begins with all entities of its type; clues cut each stage down.
    """
    reached = np.array([path.nodes[0]])
    if described := path.clues_at(0):
        type_ = graph.types[path.nodes[0]]
        reached = np.array([node for node in described[0].members.tolist() if graph.types[node] == type_])
        reached = _cut(reached, described[1:])
    for position, step in enumerate(path.steps, start=1):
        if len(reached) != 1:
            return False
        reached = _cut(graph.adjacency.follow(int(reached[0]), step), path.clues_at(position))
    return reached.tolist() == [path.nodes[-1]]


def _cut(reached: np.ndarray, clues: list[Clue]) -> np.ndarray:
    for clue in clues:
        reached = np.intersect1d(reached, clue.members)
    return reached


def find_shortcut(graph: KnowledgeGraph, path: Path) -> str:
    """Why one look-up already gives the answer of a question that is to take several; empty where none does.

    A look-up begins at a named entity: the start, or one that a clue names.
    """
    described, answer_at = bool(path.clues_at(0)), len(path.steps)
    if path.num_lookups < 2 and not described:
        return ""
    if path.num_lookups > 1 and _gives_answer(graph, path.nodes[0], path):
        return "the start's own facts give the answer"
    for position, clue in path.clues:
        # A clue about the answer itself names a neighbour of it, which gives it away where it has no other such.
        about_answer = position == answer_at and path.attribute is None
        if clue.anchor is not None and _gives_answer(graph, clue.anchor, path, alone=about_answer):
            return "the facts of an entity that a clue names give the answer"
    return ""


def _gives_answer(graph: KnowledgeGraph, node: int, path: Path, *, alone: bool = False) -> bool:
    """Whether an entity's own facts or attributes hold the answer; ``alone``: as the only one of a step."""
    if path.attribute is not None:
        value = format_value(path.attribute)
        return any(format_value(row) == value for row in graph.attributes_of(node))
    low, high = graph.adjacency.offsets[node], graph.adjacency.offsets[node + 1]
    found = graph.adjacency.targets[low:high] == path.nodes[-1]
    return bool((found & (graph.adjacency.fan_out[low:high] == 1) if alone else found).any())


def effort_of(graph: KnowledgeGraph, path: Path) -> float:
    """A guess at difficulty in [0, 1] from the graph: more look-ups, and busier entities on the way.

    Each look-up costs 1 plus the decimal logarithm of the facts around the entity it starts from;
    the sum s becomes s / (s + 6), so that one look-up lies near 0.2 and six near 0.7.
    """
    lookups = path.nodes if path.attribute else path.nodes[:-1]
    cost = sum(1 + float(np.log10(1 + graph.degrees[node])) for node in lookups)
    return cost / (cost + 6)
