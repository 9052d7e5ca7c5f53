"""Questions from graphs, end to end."""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.questions import FUNNEL, QUESTIONS, SPLITS
from lib.errors import ArtifactError, SynthesisError
from lib.progress import Silent
from lib.settings.source import RdfSource, TriplesSource
from lib.settings.synthesis import SynthesisSettings
from lib.sources.build import build_graph
from lib.sources.graph import load_graph
from lib.sources.pages import attribute_words
from lib.synthesis.knowledge.synthesize import synthesize
from lib.synthesis.question_set import write_question_set

Make = Callable[..., tuple[list[dict], list[dict]]]
DATA = Path(__file__).parents[4] / "shared" / "data"
GRAPHS = {
    "kg_fb15k237": {"triples": "triples.tsv.gz", "entities": "entities.tsv", "relations": "relations.tsv"},
    "kg_wn18rr": {"triples": "triples.tsv.gz", "entities": "entities.tsv.gz"},
    "kg_geo": {"triples": "triples.tsv.gz", "entities": "entities.jsonl.gz"},
}
HARD = {"min_hops": 2, "max_hops": 4, "blur": 0.5, "extra_clues": 2}


@pytest.fixture(scope="session", params=["atlas", "towns", *GRAPHS])
def any_graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param in ("atlas", "towns"):
        return request.getfixturevalue(request.param)
    folder = DATA / request.param
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    out = tmp_path_factory.mktemp(request.param)
    files = {name: folder / file for name, file in GRAPHS[request.param].items()}
    build_graph(TriplesSource(type="triples", **files), out=out, progress=Silent())
    return out


@pytest.mark.parametrize("settings", [{"max_hops": 3}, HARD], ids=["plain", "hard"])
def test_questions_of_any_graph_hold_all_that_is_promised(
    any_graph: Path, make_questions: Make, settings: dict
) -> None:
    rows, funnel = make_questions(any_graph, num_questions=150, **settings)
    QUESTIONS.check(pa.Table.from_pylist(rows, schema=QUESTIONS.schema))
    FUNNEL.check(pa.Table.from_pylist(funnel, schema=FUNNEL.schema))
    _check_splits(rows)
    _check_evidence(any_graph, rows)
    _check_answers(any_graph, rows)


def _check_splits(rows: list[dict]) -> None:
    owners: dict[str, str] = {}
    for row in rows:
        for entity in row["source_ids"]:
            assert owners.setdefault(entity, row["split"]) == row["split"], f"{entity} stands in two splits"
    assert set(owners.values()) == set(SPLITS)


def _check_evidence(graph: Path, rows: list[dict]) -> None:
    """Facts stand on their pages; each query is made only from the prompt, the graph's words and what came before."""
    pages = {row["id"]: row for row in pq.read_table(graph / "pages.parquet").to_pylist()}
    titles = {row["entity_id"]: row["title"] for row in pages.values()}
    for row in rows:
        assert row["hops"] == len(row["evidence"]) >= 1
        for step in row["evidence"]:
            assert step["fact"] in pages[step["page_id"]]["text"]
            assert step["value"] in step["fact"]
        known = [titles[entity] for entity in row["source_ids"] if _names(row["prompt"], titles[entity])]
        for i, step in enumerate(row["evidence"]):
            is_start = step["title"] == titles[row["source_ids"][0]] and not _names(row["prompt"], step["title"])
            finds_start = i == 0 and is_start
            assert finds_start or any(step["query"].startswith(f"{name} ") for name in known), row
            assert not finds_start or not _names(step["query"], step["title"])
            known.append(step["value"])
        assert any(row["answer"] in step["value"] for step in row["evidence"])


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def _check_answers(graph: Path, rows: list[dict]) -> None:
    """Execute the chain on plain triples and attributes: the answer comes out."""
    knowledge = load_graph(graph)
    positions = {entity: i for i, entity in enumerate(knowledge.ids)}
    names = {knowledge.step_name(step): step for step in range(2 * len(knowledge.relations))}
    for row in rows:
        steps = [name for name in row["relations"] if not name.startswith("@")]
        nodes = [positions[entity] for entity in row["source_ids"][: len(steps) + 1]]
        for (here, there), name in zip(pairwise(nodes), steps, strict=True):
            assert there in knowledge.adjacency.follow(here, names[name]).tolist()
        if len(steps) == len(row["relations"]):
            assert " ".join(knowledge.labels[nodes[-1]].split()) == row["answer"]
        else:
            assert row["relations"][-1][1:] in {item["name"] for item in knowledge.attributes_of(nodes[-1])}


def test_without_clues_every_step_leads_to_one_entity(atlas: Path, make_questions: Make) -> None:
    rows, _ = make_questions(atlas, num_questions=400, max_hops=3)
    knowledge = load_graph(atlas)
    positions = {entity: i for i, entity in enumerate(knowledge.ids)}
    names = {knowledge.step_name(step): step for step in range(2 * len(knowledge.relations))}
    for row in rows:
        node = positions[row["source_ids"][0]]
        for name in row["relations"]:
            if not name.startswith("@"):
                (node,) = knowledge.adjacency.follow(node, names[name]).tolist()


def test_each_fact_is_the_sentence_of_its_own_relation(any_graph: Path, make_questions: Make) -> None:
    rows, _ = make_questions(any_graph, num_questions=300, max_hops=3)
    knowledge = load_graph(any_graph)
    names = {knowledge.step_name(step): step for step in range(2 * len(knowledge.relations))}
    for row in rows:
        for name, evidence in zip(row["relations"], row["evidence"], strict=True):
            told = evidence["fact"].removeprefix(evidence["title"])
            if name.startswith("@"):
                assert told.startswith(f" has the {attribute_words(name[1:])} "), evidence
            else:
                step = names[name]
                phrases = (knowledge.phrase(step), knowledge.phrase(knowledge.reverse(step)))
                assert any(told.startswith(f" {phrase} ") for phrase in phrases), evidence


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_questions(towns: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        settings = SynthesisSettings(num_questions=100, blur=0.3, extra_clues=1)
        made = synthesize(settings, graph=towns, seed=seed, progress=Silent())
        write_question_set({"knowledge": made}, tmp_path / name)
    for file in ("questions.parquet", "funnel.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    prompts = [set(pq.read_table(tmp_path / name / "questions.parquet")["prompt"].to_pylist()) for name in "ac"]
    assert prompts[0] != prompts[1]


def test_the_atlas_gives_thousands_of_different_questions(atlas: Path, make_questions: Make) -> None:
    rows, _ = make_questions(atlas)
    assert len(rows) == len({row["prompt"] for row in rows}) == 2000
    counts = Counter(row["split"] for row in rows)
    assert counts == {"train": 1200, "validation": 300, "test": 500}
    for split in SPLITS:
        chosen = [row for row in rows if row["split"] == split]
        assert len({tuple(row["relations"]) for row in chosen}) >= 20
        assert max(Counter(row["answer"].casefold() for row in chosen).values()) <= max(3, 0.02 * len(chosen))
        assert max(Counter(tuple(row["relations"]) for row in chosen).values()) <= max(3, 0.08 * len(chosen))
    assert max(len(row["prompt"].split()) for row in rows if row["hops"] <= 3) <= 45


def test_entities_in_between_are_never_named(atlas: Path, make_questions: Make) -> None:
    rows, _ = make_questions(atlas, num_questions=500, min_hops=2, max_hops=3)
    labels = dict(
        zip(*pq.read_table(atlas / "entities.parquet", columns=["id", "label"]).to_pydict().values(), strict=True)
    )
    for row in rows:
        inner = row["source_ids"][1 : None if row["relations"][-1].startswith("@") else -1]
        words = f" {row['prompt'].casefold().rstrip('?.')} "
        assert not any(f" {labels[entity].casefold()} " in words for entity in inner), row["prompt"]


def test_a_described_start_is_not_named(atlas: Path, make_questions: Make) -> None:
    rows, _ = make_questions(atlas, num_questions=60, blur=1.0, max_hops=2)
    titles = dict(
        zip(*pq.read_table(atlas / "pages.parquet", columns=["entity_id", "title"]).to_pydict().values(), strict=True)
    )
    assert not any(titles[row["source_ids"][0]] in row["prompt"] for row in rows)


def test_the_funnel_adds_up(towns: Path, make_questions: Make) -> None:
    rows, funnel = make_questions(towns, num_questions=100)
    assert funnel[0]["filter"] == "walks" and funnel[-1]["filter"] == "kept"
    assert funnel[-1]["count"] == len(rows)
    dropped = sum(row["count"] for row in funnel if row["reason"])
    assert funnel[0]["count"] == len(rows) + dropped
    assert all(row["example"] for row in funnel if row["reason"])


def test_the_funnel_lists_filters_in_the_order_in_which_they_run(towns: Path, make_questions: Make) -> None:
    rows, funnel = make_questions(towns, num_questions=60, min_difficulty=0.3)
    went_on = {row["filter"]: row["count"] for row in funnel if not row["reason"]}
    assert list(went_on.values()) == sorted(went_on.values(), reverse=True)
    assert any(row["filter"] == "difficulty" and row["reason"] for row in funnel)
    assert rows[0]["filters_passed"] == [name for name in went_on if name not in ("walks", "kept")]


def test_where_no_path_qualifies_the_error_names_the_filter_and_the_setting(towns: Path, make_questions: Make) -> None:
    with pytest.raises(SynthesisError) as raised:
        make_questions(towns, min_difficulty=0.99)
    assert "easier than min_difficulty" in str(raised.value)
    assert "min_difficulty..max_difficulty" in str(raised.value)


@pytest.mark.parametrize(
    "triples",
    [
        [(f"a{i}", "is", f"a{i}") for i in range(60)],
        [(f"a{i}", "knows", f"a{j}") for i in range(30) for j in range(30) if i != j],
    ],
    ids=["facts about themselves", "every step branches"],
)
def test_a_graph_without_a_walk_is_an_error_that_says_so(tmp_path: Path, make_questions: Make, triples: list) -> None:
    (tmp_path / "t.tsv").write_text("\n".join(map("\t".join, triples)))
    build_graph(TriplesSource(type="triples", triples=tmp_path / "t.tsv"), out=tmp_path / "graph", progress=Silent())
    with pytest.raises(SynthesisError, match="No walk had 1 to 2 look-ups") as raised:
        make_questions(tmp_path / "graph", num_questions=40)
    assert (raised.value.kept, raised.value.where) == ("the graph", "section [synthesis] of the settings")
    assert "--set synthesis." in raised.value.next_step


def test_start_types_that_are_not_there_are_an_error(towns: Path, make_questions: Make) -> None:
    with pytest.raises(SynthesisError, match="start_types"):
        make_questions(towns, start_types=("planet",))


def test_a_split_that_runs_dry_says_how_many_questions_it_has_and_what_dropped_most(
    towns: Path, make_questions: Make, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("ropewalk").propagate = True
    rows, _ = make_questions(towns, num_questions=4000, min_difficulty=0.3)
    found = sum(row["split"] == "test" for row in rows)
    (told,) = [record.getMessage() for record in caplog.records if "'test'" in record.getMessage()]
    assert told.startswith(f"Split 'test' has {found} of 1,000 questions")
    assert "difficulty dropped most" in told and "easier than min_difficulty" in told
    assert "widen min_difficulty..max_difficulty" in told


def test_a_start_whose_title_another_entity_shares_is_not_asked_about(tmp_path: Path, make_questions: Make) -> None:
    names = [f"Person {i // 2 if i < 20 else i}" for i in range(120)]
    triples = [(f"p{i}", relation, f"{relation[0]}{i}") for i in range(120) for relation in ("town", "job")]
    pages = [
        {
            "id": f"page{i}",
            "entity_id": f"p{i}",
            "title": name,
            "text": f"{name} has the town t{i}.\n{name} has the job j{i}.",
        }
        for i, name in enumerate(names)
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, triples)))
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, pages)))
    source = TriplesSource(type="triples", triples=tmp_path / "t.jsonl", pages=tmp_path / "p.jsonl")
    build_graph(source, out=tmp_path / "graph", progress=Silent())
    rows, funnel = make_questions(tmp_path / "graph", num_questions=200, max_hops=1, max_pattern_share=1.0)
    starts = {row["source_ids"][0] for row in rows}
    assert any(start.startswith("p") for start in starts)
    assert not starts & {f"p{i}" for i in range(20)}
    assert any("several entities have the title" in row["reason"] for row in funnel)


def test_a_blank_node_is_passed_through_and_neither_start_nor_answer(tmp_path: Path, make_questions: Make) -> None:
    lines = [
        f":P{i} rdfs:label 'Person {i}' ; :home [ :town :T{i} ; :street :S{i} ; :postcode 'C{i}' ] ."
        f":T{i} rdfs:label 'Town {i}' . :S{i} rdfs:label 'Street {i}' ."
        for i in range(60)
    ]
    prefixes = "@prefix : <http://x.org/> . @prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .\n"
    (tmp_path / "g.ttl").write_text(prefixes + "\n".join(lines))
    build_graph(RdfSource(type="rdf", path=tmp_path / "g.ttl"), out=tmp_path / "graph", progress=Silent())
    rows, funnel = make_questions(tmp_path / "graph", num_questions=60, max_pattern_share=1.0)
    assert not any("_:" in row["prompt"] or "_:" in row["answer"] for row in rows)
    assert not any(row["source_ids"][0].startswith("_:") for row in rows)
    assert any(entity.startswith("_:") for row in rows for entity in row["source_ids"])
    assert any(row["reason"] == "the answer has no name" for row in funnel)


def test_a_missing_table_is_named(tmp_path: Path, make_questions: Make) -> None:
    with pytest.raises(ArtifactError, match="entities"):
        make_questions(tmp_path)
