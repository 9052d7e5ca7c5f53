"""Policies are tried on the held-out questions of each domain and on the benchmarks."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.questions import QUESTIONS
from lib.errors import SynthesisError
from lib.evaluation.question_sets import list_question_sets
from lib.settings.evaluate import EvaluateSettings
from tests.small_databases import MUSIC, asked, collect, write_benchmark


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    golds = [asked(f"q{n}", f"SELECT {n}") for n in range(20)]
    names = ("first", "second")
    folders = [write_benchmark(folder / name, {"music": MUSIC}, golds) for name in names]
    source = {"type": "embedded", "ids": ["chemical_elements"]}
    return collect(folder / "out", source=source, benchmarks=[{"folder": str(folder)} for folder in folders])


@pytest.fixture
def made(tmp_path, question_table):
    """Questions of two domains, ten held out and ten to train on of each."""

    def make(*domains, splits=("train", "test")):
        rows = [
            row | {"id": f"{domain}-{row['id']}", "domain": domain, "database_id": "music" if domain == "sql" else None}
            for domain in domains
            for split in splits
            for row in question_table(10, split).to_pylist()
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema=QUESTIONS.schema), tmp_path / "questions.parquet")
        return tmp_path

    return make


def sets_of(seed=0, **inputs):
    settings = EvaluateSettings(questions=6, benchmark_questions=8)
    return list_question_sets(inputs, settings, seed=seed)


def ids(sets):
    return {item.name: item.questions["id"].to_pylist() for item in sets}


def test_each_domain_is_a_set_and_each_benchmark_another(made, databases):
    sets = sets_of(synthesize=made("knowledge", "sql"), databases=databases)
    assert {item.name: (item.domain, item.is_held_out, item.questions.num_rows) for item in sets} == {
        "held_out_knowledge": ("knowledge", True, 6),
        "held_out_sql": ("sql", True, 6),
        "first": ("sql", False, 8),
        "second": ("sql", False, 8),
    }
    for item in sets:
        QUESTIONS.check(item.questions)
        assert set(item.questions["domain"].to_pylist()) == {item.domain}
        assert set(item.questions["split"].to_pylist()) == {"test"}


def test_a_run_without_databases_has_no_benchmark(made):
    assert list(ids(sets_of(synthesize=made("knowledge")))) == ["held_out_knowledge"]


def test_all_questions_of_a_benchmark_are_taken_where_no_number_is_given(made, databases):
    settings = EvaluateSettings(benchmark_questions=0)
    sets = list_question_sets({"synthesize": made("sql"), "databases": databases}, settings, seed=0)
    assert [item.questions.num_rows for item in sets] == [10, 20, 20]


def test_the_choice_hangs_on_the_seed_and_a_smaller_one_is_a_part_of_it(made, databases):
    inputs = {"synthesize": made("sql"), "databases": databases}
    first, again, other = (ids(sets_of(seed, **inputs)) for seed in (1, 1, 2))
    assert first == again
    assert all(set(first[name]) != set(other[name]) for name in ("held_out_sql", "first", "second"))
    more = list_question_sets(inputs, EvaluateSettings(questions=6, benchmark_questions=12), seed=1)
    assert ids(more)["first"][:8] == first["first"]


def test_a_run_without_a_held_out_question_is_told(made):
    with pytest.raises(SynthesisError, match="no policy can be judged"):
        sets_of(synthesize=made("sql", splits=("train",)))
