"""Hand-made questions: what a file may leave out, and how its faults are told."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_contracts.graph import PAGES
from data_contracts.questions import FUNNEL, QUESTIONS, SPLITS
from lib.errors import ArtifactError
from lib.progress import Silent
from lib.settings.synthesis import SynthesisSettings
from lib.synthesis.curated.questions import read_questions
from lib.synthesis.curated.splits import assign_missing_splits, count_shared
from lib.synthesis.vision.synthesize import synthesize as synthesize_vision

FACT = "Reykjavik lies in Iceland."
STEP = {"title": "Reykjavik", "fact": FACT}


@pytest.fixture
def graph(tmp_path):
    rows = [
        {"id": "city:1", "title": "Reykjavik", "text": f"It is a city.\n{FACT}", "entity_id": "Q1"},
        {"id": "country:1", "title": "Iceland", "text": "Iceland uses the króna.", "entity_id": "Q2"},
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=PAGES.schema), tmp_path / "pages.parquet")
    return tmp_path


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def faults_of(files, **options) -> str:
    with pytest.raises(ArtifactError) as caught:
        read_questions(files, **options)
    assert "nothing was imported" in caught.value.kept
    return caught.value.what


def test_prompt_and_answer_are_enough_and_the_rest_follows(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("question,answer\nWhere does the saga end?,Hlíðarendi\nHow many rings are there?,3\n")
    curated = read_questions([path])
    rows = curated.questions.to_pylist()
    assert [row["answer"] for row in rows] == ["Hlíðarendi", "3"]
    assert len({row["id"] for row in rows}) == 2 and all(row["id"].startswith("knowledge-") for row in rows)
    assert {(row["domain"], row["hops"], row["difficulty"], row["writer"]) for row in rows} == {
        ("knowledge", 1, 0.5, "hand")
    }
    QUESTIONS.check(curated.questions)
    FUNNEL.check(curated.funnel)
    assert any("have no evidence" in note for note in curated.notes)


def test_evidence_is_completed_from_the_pages_of_the_graph(tmp_path, graph):
    steps = [STEP, {"page_id": "country:1", "fact": "Iceland uses the króna.", "query": "Iceland currency"}]
    path = write(
        tmp_path / "q.jsonl", [{"prompt": "What is paid with in Reykjavik?", "answer": "króna", "evidence": steps}]
    )
    [row] = read_questions([path], graph=graph).questions.to_pylist()
    assert row["evidence"][0] == {
        "page_id": "city:1", "title": "Reykjavik", "query": "Reykjavik", "fact": FACT, "value": "Iceland"
    }  # fmt: skip
    assert row["evidence"][1]["query"] == "Iceland currency" and row["evidence"][1]["value"] == "króna"
    assert (row["source_ids"], row["hops"]) == (["Q1", "Q2"], 2)


def test_every_fault_is_told_by_file_line_and_column(tmp_path, graph):
    path = write(
        tmp_path / "curated.jsonl",
        [
            {"prompt": "Fine?", "answer": "yes"},
            {"prompt": "  ", "answer": "x"},
            {"prompt": "How often?", "answer": "y", "hops": "two", "difficulty": True},
            {"prompt": "Which?", "answr": "z"},
            {"prompt": "Which one?", "answer": "z", "evidence": "not a list"},
            [],
        ],
    )
    told = faults_of([path]).splitlines()
    assert told[1:] == [
        "  curated.jsonl, line 2, column prompt: is empty",
        "  curated.jsonl, line 3, column hops: is no number: 'two'",
        "  curated.jsonl, line 3, column difficulty: is no number: True",
        "  curated.jsonl, line 4, column answr: is not known; did you mean 'answer'?",
        "  curated.jsonl, line 4, column answer: is missing",
        "  curated.jsonl, line 5, column evidence: is no JSON list of objects: 'not a list'",
        "  curated.jsonl, line 6, column prompt: is missing",
        "  curated.jsonl, line 6, column answer: is missing",
    ]


def test_broken_rules_are_told_with_their_place_and_values(tmp_path):
    path = tmp_path / "q.parquet"
    rows = [
        {"prompt": "Is Oslo the capital of Norway?", "answer": "Oslo", "split": "train", "id": "a"},
        {"prompt": "Who?", "answer": "Ada", "split": "dev", "id": "a"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    told = faults_of([path])
    assert (
        "q.parquet, row 1, column domain and prompt and answer: breaks the rule 'the answer is not in the prompt'"
        in told
    )
    assert "q.parquet, row 2, column split: breaks the rule 'split is known': split is 'dev'" in told
    assert "q.parquet, row 2, column id: breaks the rule 'id is unique': id is 'a'" in told


def test_evidence_that_the_graph_does_not_tell_is_a_fault(tmp_path, graph):
    rows = [
        {"prompt": "1?", "answer": "a", "evidence": [STEP | {"fact": "Reykjavik lies in Norway."}]},
        {"prompt": "2?", "answer": "b", "evidence": [STEP | {"title": "Nuuk"}]},
        {"prompt": "3?", "answer": "c", "evidence": [STEP, {"title": "Iceland"}]},
    ]
    told = faults_of([write(tmp_path / "q.jsonl", rows)], graph=graph)
    assert "line 1, column evidence: step 1: the page 'Reykjavik' does not say 'Reykjavik lies in Norway.'" in told
    assert "line 2, column evidence: step 1: the graph has no page 'Nuuk'" in told
    assert "line 3, column evidence: step 2: fact, page_id missing" in told


def test_a_comma_that_is_not_quoted_is_found(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text("prompt,answer\nWhich city, in Iceland, is it?,Akureyri\n")
    assert "q.csv, line 2: 4 columns instead of 2" in faults_of([path])


def test_many_faults_are_counted_rather_than_listed(tmp_path):
    path = write(tmp_path / "q.jsonl", [{"prompt": "", "answer": "x"}] * 40)
    assert faults_of([path]).splitlines()[-1] == "  and 28 more"


def test_questions_of_an_artifact_come_back_as_they_were(tmp_path, graph):
    path = write(tmp_path / "q.jsonl", [{"prompt": f"{i}?", "answer": f"a{i}", "evidence": [STEP]} for i in range(9)])
    first = read_questions([path], graph=graph).questions
    pq.write_table(first, tmp_path / "again.parquet")
    assert read_questions([tmp_path / "again.parquet"], graph=graph).questions == first


def test_what_training_and_held_out_questions_share_is_noted(tmp_path):
    rows = [{"prompt": f"Who {s}?", "answer": s.upper()[::-1], "split": s, "source_ids": "Q1|Q2"} for s in SPLITS]
    notes = read_questions([write(tmp_path / "q.jsonl", rows)]).notes
    assert any("share 2 entities" in note for note in notes)


def test_values_that_do_not_fit_are_faults_of_their_column(tmp_path):
    base = {"prompt": "Who?", "answer": "Ada"}
    rows = [base | {"hops": 2**40}, base | {"hops": 1e400}, base | {"seed": "1.5"}, base | {"aliases": ["\ud800"]}]
    told = faults_of([write(tmp_path / "q.jsonl", rows)]).splitlines()[1:]
    assert [line.split(": ")[1] for line in told] == [
        "is too large",
        "is no whole number",
        "is no whole number",
        "JSON with half of a surrogate pair, which is no text",
    ]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["title", "fact", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from(QUESTIONS.schema.names), VALUES, max_size=4), max_size=3))
def test_whatever_stands_in_a_file_it_is_read_or_its_faults_are_told(tmp_path, rows):
    whole = [{"prompt": f"Question {i}?", "answer": f"answer {i}"} | row for i, row in enumerate(rows)]
    try:
        QUESTIONS.check(read_questions([write(tmp_path / "q.jsonl", whole)]).questions)
    except ArtifactError as error:
        assert "q.jsonl" in str(error)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(0, 9), max_size=2)), min_size=1, max_size=30))
def test_splits_that_are_filled_in_share_nothing(items):
    rows = [
        {"id": str(i), "answer": f"a{answer}", "source_ids": [f"Q{e}" for e in entities], "evidence": [], "split": None}
        for i, (answer, entities) in enumerate(items)
    ]
    assign_missing_splits(rows)
    assert {row["split"] for row in rows} <= set(SPLITS)
    assert count_shared(rows) == 0
    sides = {}
    for row in rows:
        sides.setdefault(row["answer"], set()).add(row["split"])
    assert all(len(found) == 1 for found in sides.values())


def test_filled_in_splits_have_about_the_usual_shares():
    rows = [{"id": str(i), "answer": str(i), "source_ids": [], "evidence": [], "split": None} for i in range(100)]
    assign_missing_splits(rows)
    assert [sum(row["split"] == name for row in rows) for name in SPLITS] == [60, 15, 25]


def test_a_question_about_a_database_is_completed_from_its_query(tmp_path):
    file = tmp_path / "questions.csv"
    file.write_text(
        "prompt,answer,domain,database_id\n"
        "How many orders are there?,SELECT count(*) FROM orders,sql,shop\n"
        "Which city has most members?,SELECT city FROM members GROUP BY city ORDER BY count(*) DESC LIMIT 1,sql,club\n"
    )
    rows = read_questions([file]).questions.to_pylist()
    assert [(row["level"], row["gold_sql"] == row["answer"]) for row in rows] == [("easy", True), ("hard", True)]
    assert [row["source_ids"] for row in rows] == [["shop"], ["club"]]


def test_a_question_about_a_database_that_it_does_not_name_is_an_error(tmp_path):
    file = tmp_path / "questions.csv"
    file.write_text("prompt,answer,domain\nHow many orders are there?,SELECT count(*) FROM orders,sql\n")
    with pytest.raises(ArtifactError, match="an SQL question has its database"):
        read_questions([file])


LOOKS = [{"fact": "Picture 1: 3", "value": "3? yes"}, {"fact": "Picture 2: 5", "query": "[0, 0, 50, 50]"}]


def test_a_question_about_images_needs_no_pages_and_is_completed_by_its_images(tmp_path, graph):
    asked = {"prompt": "Which picture shows a 3?", "answer": "1", "domain": "vision", "images": ["a", "b"]}
    rows = [
        asked | {"evidence": LOOKS},
        asked | {"prompt": "And a 5?", "answer": "2", "evidence": [*LOOKS, {"fact": "1 of 2"}], "images": ["c", "d"]},
        asked | {"prompt": "No way shown?", "images": ["a", "c"]},
    ]
    first, second, third = read_questions([write(tmp_path / "q.jsonl", rows)], graph=graph).questions.to_pylist()
    assert [(step["page_id"], step["title"], step["query"]) for step in first["evidence"]] == [
        ("a", "picture 1", ""),
        ("b", "picture 2", "[0, 0, 50, 50]"),
    ]
    assert second["evidence"][-1] == {
        "page_id": "", "title": "all pictures together", "query": "", "fact": "1 of 2", "value": "2"
    }  # fmt: skip
    assert first["source_ids"] == ["a", "b"] and third["evidence"] == []
    # What shares an image shares a split.
    assert first["split"] == second["split"] == third["split"]


def test_questions_about_images_are_checked_by_their_own_rules(tmp_path):
    asked = {"prompt": "Which?", "answer": "1", "domain": "vision"}
    told = faults_of([write(tmp_path / "a.jsonl", [asked | {"images": ["a", "b"], "evidence": LOOKS[:1]}])])
    assert "1 steps for 2 images" in told
    told = faults_of([write(tmp_path / "b.jsonl", [asked])])
    assert "a question about images has one to eight" in told
    told = faults_of([write(tmp_path / "c.jsonl", [asked | {"images": ["a"], "evidence": [{"title": "x"}]}])])
    assert "step 1: fact missing" in told


def test_a_synthesized_set_about_images_comes_back_as_it_was(tmp_path, shapes):
    settings = SynthesisSettings(domains=("vision",), num_questions=20)
    made = synthesize_vision(settings, images=shapes, seed=1, progress=Silent(), scratch=tmp_path)
    table = QUESTIONS.check(pa.Table.from_pylist(made.rows, schema=QUESTIONS.schema))[0]
    pq.write_table(table, tmp_path / "questions.parquet")
    assert read_questions([tmp_path / "questions.parquet"]).questions.to_pylist() == table.to_pylist()
