"""Questions with several look-ups and clues, as a person reads them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lib.settings.synthesis import SynthesisSettings
from lib.sources.graph import KnowledgeGraph, load_graph
from lib.synthesis.knowledge.clues import AttributeIndex
from lib.synthesis.knowledge.draw import PathDrawer
from lib.synthesis.knowledge.paths import Path as GraphPath
from lib.synthesis.knowledge.paths import is_unique
from lib.synthesis.knowledge.phrasing import phrase_questions, tell_clues
from lib.synthesis.knowledge.telling import BEGINNINGS, CONTINUATIONS, ONLY

Make = Callable[..., tuple[list[dict], list[dict]]]
HARD = {"min_hops": 3, "max_hops": 4, "blur": 0.5, "extra_clues": 2}
# What no question may hold: gaps, doubled articles and pointers, "it" where a name belongs.
CLUMSY = re.compile(
    r"\{|\}|\b(the|a|an) (the|a|an|its?|that)\b|\bthat that\b|\bof of\b|\b(country|zone|group|series|structure) it\b|"
    r"\bentity \d|  |\bunits of\b"
)


def _draw(graph: Path, number: int, **values: object) -> tuple[KnowledgeGraph, list[GraphPath]]:
    """Paths with clues over the whole graph, as if it were one split."""
    knowledge = load_graph(graph)
    settings = SynthesisSettings.model_validate(HARD | values)
    everything = np.ones(len(knowledge), dtype=bool)
    drawer = PathDrawer(knowledge, everything, settings, index=AttributeIndex(knowledge), seed=3)
    return knowledge, [path for path in map(drawer.add_clues, drawer.draw(number)) if path and path.clues]


@pytest.fixture(scope="module")
def hard(atlas: Path) -> tuple[KnowledgeGraph, list[GraphPath]]:
    return _draw(atlas, 1500)


def test_every_wording_tells_all_that_makes_the_answer_unique(hard: tuple[KnowledgeGraph, list[GraphPath]]) -> None:
    graph, paths = hard
    checked = 0
    for i, path in enumerate(paths):
        if not is_unique(graph, path):
            continue
        checked += 1
        for wording in phrase_questions(graph, path, seed=i):
            start = re.compile(rf"(?<!\w){re.escape(graph.titles[path.nodes[0]])}(?!\w)")
            # The name of a neighbour may hold the start's own; the sieve drops such a question.
            named = not path.clues_at(0) or any(start.search(clue.clause) for _, clue in path.clues)
            assert bool(start.search(wording)) == named, wording
            for position, clue in path.clues:
                assert (clue.value if clue.anchor is not None else clue.keywords) in wording, (wording, clue.clause)
                assert graph.types[path.nodes[position]].split()[0] in wording, wording
    assert checked > 200


def test_wordings_are_neither_clumsy_nor_long(hard: tuple[KnowledgeGraph, list[GraphPath]]) -> None:
    graph, paths = hard
    wordings = [wording for i, path in enumerate(paths) for wording in phrase_questions(graph, path, seed=i)]
    for wording in wordings:
        assert not CLUMSY.search(wording), wording
        assert wording[0].isupper() and wording[-1] in ".?", wording
    sizes = [len(wording.split()) for wording in wordings]
    assert statistics.median(sizes) <= 40 and max(sizes) <= 75
    sentences = [part for wording in wordings for part in re.split(r"(?<=[.?]) (?=[A-Z])", wording)]
    lengths = sorted(len(sentence.split()) for sentence in sentences)
    assert lengths[int(0.95 * len(lengths))] <= 22


def test_plain_chains_stack_no_genitives(atlas: Path, make_questions: Make) -> None:
    rows, _ = make_questions(atlas, num_questions=300, min_hops=3, max_hops=4)
    stacked = [row["prompt"] for row in rows if row["prompt"].count(" of the ") > 2]
    assert len(stacked) <= 3, stacked
    assert statistics.median(len(row["prompt"].split()) for row in rows) <= 20


def test_wordings_vary_and_follow_from_the_seed(hard: tuple[KnowledgeGraph, list[GraphPath]]) -> None:
    graph, paths = hard
    for path in paths[:50]:
        assert phrase_questions(graph, path, seed=1) == phrase_questions(graph, path, seed=1)
    long = [path for path in paths if len(path.clues) > 1][:30]
    for path in long:
        assert len({wording for seed in range(10) for wording in phrase_questions(graph, path, seed=seed)}) >= 8
    told = [phrase_questions(graph, path, seed=7)[0] for path in paths]
    for opening in (*BEGINNINGS, *ONLY):
        assert any(wording.startswith(opening) for wording in told), opening


def test_sentences_of_a_question_begin_differently(hard: tuple[KnowledgeGraph, list[GraphPath]]) -> None:
    graph, paths = hard
    for wording in (wording for i, path in enumerate(paths) for wording in phrase_questions(graph, path, seed=i)):
        begun = re.findall(rf"(?:^|[.] )({'|'.join((*BEGINNINGS, *CONTINUATIONS))}) ", wording)
        assert len(begun) == len(set(begun)), wording


def test_two_look_ups_from_a_name_stay_one_plain_sentence(atlas: Path) -> None:
    knowledge = load_graph(atlas)
    chile, capital = knowledge.ids.index("country:CL"), _step(knowledge, "capital")
    (santiago,) = knowledge.adjacency.follow(chile, capital).tolist()
    zone = _step(knowledge, "time_zone")
    (there,) = knowledge.adjacency.follow(santiago, zone).tolist()
    path = GraphPath((chile, santiago, there), (capital, zone))
    found = {wording for seed in range(40) for wording in phrase_questions(knowledge, path, seed=seed)}
    nouns = ("the capital of Chile", "the capital city of Chile")
    # Only patterns that end with the known entity fit around a phrase.
    assert found == {
        f"{ask} {noun}?" for ask in ("In which time zone is", "What is the time zone of") for noun in nouns
    }


def _step(graph: KnowledgeGraph, name: str) -> int:
    return 2 * next(i for i, row in enumerate(graph.relations) if row["relation"] == name)


def test_a_language_model_gets_the_chain_in_plain_statements(hard: tuple[KnowledgeGraph, list[GraphPath]]) -> None:
    graph, paths = hard
    for path in paths[:200]:
        told = tell_clues(graph, path, "START")
        assert told[0] == "The chain starts at START." and len(told) == len(path.steps) + 2
        for position, clue in path.clues:
            assert position == 0 or clue.clause.removeprefix("has ").removeprefix("is ") in told[position], told


def test_an_opening_comes_before_single_sentences_only(atlas: Path, make_questions: Make) -> None:
    rows, _ = make_questions(atlas, num_questions=200, **HARD)
    assert not any(row["prompt"].startswith(("Please", "I would", "Can you")) for row in rows)
    rows, _ = make_questions(atlas, num_questions=200)
    assert any(row["prompt"].startswith("Please tell me: ") for row in rows)


def test_coordinates_and_what_is_asked_for_are_no_clues(atlas: Path, make_questions: Make) -> None:
    rows, _ = make_questions(atlas, num_questions=300, max_hops=2, blur=1.0, answer="attribute", extra_clues=1)
    assert not any("latitude" in row["prompt"] or "longitude" in row["prompt"] for row in rows)
    for row in rows:
        if row["relations"] == ["@iata_code"]:
            assert row["prompt"].count("IATA code") == 1, row["prompt"]
    pages = pq.read_table(atlas / "pages.parquet", columns=["id"])["id"].to_pylist()
    assert {step["page_id"] for row in rows for step in row["evidence"]} <= set(pages)
