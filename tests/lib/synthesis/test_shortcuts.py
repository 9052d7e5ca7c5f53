"""A question that is to take several look-ups is not answered by one at an entity that it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lib.progress import Silent
from lib.settings.source import TriplesSource
from lib.sources.build import build_graph
from lib.sources.graph import KnowledgeGraph, load_graph
from lib.synthesis.knowledge.paths import Clue, find_shortcut
from lib.synthesis.knowledge.paths import Path as GraphPath

# Ann's friend is Bob, Bob's boss is Cleo; Xavier, a neighbour of Ann, knows Cleo himself.
FACTS = [
    ("Ann", "friend", "Bob"),
    ("Bob", "boss", "Cleo"),
    ("Ann", "neighbour", "Xavier"),
    ("Xavier", "cousin", "Cleo"),
    ("Ann", "colleague", "Yves"),
    ("Cleo", "club", "Rowers"),
    ("Bob", "club", "Rowers"),
]
CODES = {"Cleo": "C7", "Xavier": "C7", "Yves": "Y1"}


@pytest.fixture
def people(tmp_path: Path) -> KnowledgeGraph:
    (tmp_path / "t.tsv").write_text("\n".join(map("\t".join, FACTS)))
    (tmp_path / "e.jsonl").write_text("\n".join(json.dumps({"id": key, "code": code}) for key, code in CODES.items()))
    source = TriplesSource(type="triples", triples=tmp_path / "t.tsv", entities=tmp_path / "e.jsonl")
    build_graph(source, out=tmp_path / "graph", progress=Silent())
    return load_graph(tmp_path / "graph")


def _path(
    graph: KnowledgeGraph, *names: str, attribute: str = "", clues: tuple[tuple[int, str], ...] = ()
) -> GraphPath:
    nodes = tuple(map(graph.ids.index, names))
    steps = tuple(_step(graph, *pair) for pair in zip(nodes, nodes[1:], strict=False))
    row = next((row for row in graph.attributes_of(nodes[-1]) if row["name"] == attribute), None)
    told = tuple((position, _clue(graph, nodes[position], anchor)) for position, anchor in clues)
    return GraphPath(nodes, steps, row, told)


def _step(graph: KnowledgeGraph, node: int, other: int) -> int:
    low, high = graph.adjacency.offsets[node : node + 2]
    at = graph.adjacency.targets[low:high].tolist().index(other)
    return int(graph.adjacency.steps[low + at])


def _clue(graph: KnowledgeGraph, node: int, name: str) -> Clue:
    anchor = graph.ids.index(name)
    members = graph.adjacency.follow(anchor, graph.reverse(_step(graph, node, anchor)))
    return Clue(f"has to do with {name}", "has to do with", "with", name, anchor, members)


@pytest.mark.parametrize(("anchor", "found"), [("Xavier", True), ("Yves", False)])
@pytest.mark.parametrize("end", [("Cleo", ""), ("Cleo", "code")], ids=["an entity", "an attribute"])
def test_a_clue_names_nobody_whose_own_facts_give_the_answer(
    people: KnowledgeGraph, anchor: str, found: bool, end: tuple[str, str]
) -> None:
    path = _path(people, "Ann", "Bob", end[0], attribute=end[1], clues=((0, anchor),))
    assert bool(find_shortcut(people, path)) == found


def test_a_described_start_counts_as_a_look_up(people: KnowledgeGraph) -> None:
    assert find_shortcut(people, _path(people, "Bob", "Cleo")) == ""
    assert "clue names" in find_shortcut(people, _path(people, "Bob", "Cleo", clues=((0, "Rowers"),)))
    assert find_shortcut(people, _path(people, "Ann", "Bob", clues=((0, "Yves"),))) == ""


def test_a_clue_about_the_answer_may_name_one_that_several_others_share(people: KnowledgeGraph) -> None:
    assert find_shortcut(people, _path(people, "Ann", "Bob", "Cleo", clues=((2, "Rowers"),))) == ""
    assert find_shortcut(people, _path(people, "Ann", "Bob", "Cleo", clues=((2, "Xavier"),)))
