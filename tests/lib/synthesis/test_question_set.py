"""Questions of all domains become one artifact with one funnel."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_contracts.questions import FUNNEL, QUESTION_SET, QUESTIONS, SPLITS
from lib.synthesis.funnel import Funnel
from lib.synthesis.question_set import Made, wanted_by_split, write_question_set


def row(id, split, domain="sql"):
    return {
        "id": id,
        "domain": domain,
        "prompt": f"What of {id}?",
        "answer": "SELECT 1",
        "aliases": [],
        "split": split,
        "hops": 1,
        "difficulty": 0.5,
        "evidence": [],
        "images": None,
        "database_id": "music" if domain == "sql" else None,
        "gold_sql": None,
        "level": None,
        "source_ids": [],
        "relations": [],
        "writer": "template",
        "filters_passed": [],
        "seed": 0,
    }


def made(*rows, dropped=0):
    funnel = Funnel(("drawn", "duplicates"))
    funnel.count("drawn", number=len(rows) + dropped)
    if dropped:
        funnel.count("duplicates", "said before", number=dropped)
    return Made(list(rows), funnel)


@pytest.fixture
def written(tmp_path):
    sql = made(row("b", "train"), row("a", "train"), row("c", "test"), row("d", "validation"), dropped=2)
    knowledge = made(row("z", "test", "knowledge"))
    write_question_set({"sql": sql, "knowledge": knowledge}, tmp_path / "out")
    return tmp_path / "out"


def test_domains_stand_in_the_order_given_and_their_rows_by_split_and_id(written):
    table, broken = QUESTIONS.check(pq.read_table(written / "questions.parquet"))
    assert table["id"].to_pylist() == ["a", "b", "d", "c", "z"] and broken.num_rows == 0


def test_the_funnel_counts_every_domain_by_itself_and_ends_with_what_was_kept(written):
    rows = FUNNEL.check(pq.read_table(written / "funnel.parquet"))[0].to_pylist()
    assert [item["position"] for item in rows] == list(range(len(rows)))
    assert [(item["domain"], item["filter"], item["reason"], item["count"]) for item in rows] == [
        ("sql", "drawn", "", 6),
        ("sql", "duplicates", "said before", 2),
        ("sql", "kept", "", 4),
        ("knowledge", "drawn", "", 1),
        ("knowledge", "duplicates", "", 0),
        ("knowledge", "kept", "", 1),
    ]
    assert rows[2]["example"] == "What of b?"


def test_the_artifact_is_whole(written):
    assert {path.name for path in written.iterdir()} == {f"{table.name}.parquet" for table in QUESTION_SET.tables}


@given(st.integers(1, 5000), st.floats(0.01, 0.49), st.floats(0.01, 0.49))
def test_every_split_wants_a_question_and_together_they_want_all(number, validation_share, test_share):
    wanted = wanted_by_split(number, validation_share=validation_share, test_share=test_share)
    assert list(wanted) == ["test", "validation", "train"] and set(wanted) == set(SPLITS)
    assert min(wanted.values()) >= 1
    assert number <= sum(wanted.values()) <= number + 2


def test_splits_want_their_shares():
    wanted = wanted_by_split(2000, validation_share=0.15, test_share=0.25)
    assert wanted == {"test": 500, "validation": 300, "train": 1200}
