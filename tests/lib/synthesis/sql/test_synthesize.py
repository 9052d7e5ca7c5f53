"""Questions come in the wanted number and mix, fit their contract, and are the same again."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from sqlglot import parse_one

from data_contracts.questions import QUESTIONS
from lib.progress import Silent
from lib.settings.synthesis import SynthesisSettings
from lib.sources.sql.hardness import hardness_of
from lib.synthesis.funnel import Funnel
from lib.synthesis.sql.fill import SqlSynthesis, filters_in_order
from lib.synthesis.template_writer import TemplateWriter

WANTED = 60
FILTERS = filters_in_order(judged=False)


def synthesize(databases, pool, scratch, *, wanted=WANTED, seed=4):
    funnel, settings = Funnel(FILTERS), SynthesisSettings(duplicate_threshold=0.95)
    synthesis = SqlSynthesis(settings, pool=pool, writer=TemplateWriter(), funnel=funnel, seed=seed, scratch=scratch)
    return synthesis.fill("train", databases, wanted, Silent()), funnel


@pytest.fixture(scope="module")
def made(university, pool, tmp_path_factory):
    return synthesize([university["sqlite"]], pool, tmp_path_factory.mktemp("scratch"))


def test_questions_fit_their_contract_and_say_where_they_come_from(made):
    rows, _ = made
    table = pa.Table.from_pylist(rows, schema=QUESTIONS.schema)
    assert table.num_rows == WANTED and len(set(table["id"].to_pylist())) == WANTED
    for row in rows:
        assert (row["domain"], row["database_id"], row["split"]) == ("sql", "university", "train")
        assert row["gold_sql"] == row["answer"] and parse_one(row["gold_sql"], read="sqlite")
        assert row["level"] == hardness_of(row["gold_sql"])
        assert row["prompt"].strip() == row["prompt"]


def test_the_levels_have_their_shares_and_no_construct_is_alone(made):
    rows, _ = made
    levels = Counter(row["level"] for row in rows)
    assert levels == {"easy": 15, "medium": 24, "hard": 12, "extra": 9}
    shapes = Counter(row["relations"][0] for row in rows)
    assert len(shapes) >= 8 and max(shapes.values()) <= WANTED / 3


def test_the_funnel_adds_up(made):
    rows, funnel = made
    table = funnel.rows()
    passed = {row["filter"]: row["count"] for row in table if not row["reason"]}
    dropped = Counter()
    for row in table:
        if row["reason"]:
            dropped[row["filter"]] += row["count"]
    for before, after in zip(FILTERS[:3], FILTERS[1:4], strict=True):
        assert passed[before] == passed[after] + dropped[after]
    assert passed["duplicates"] == WANTED


def test_equal_seeds_give_equal_questions(made, university, pool, tmp_path):
    again, _ = synthesize([university["sqlite"]], pool, tmp_path)
    assert again == made[0]
    other, _ = synthesize([university["sqlite"]], pool, tmp_path, wanted=10, seed=5)
    assert not {row["id"] for row in other} <= {row["id"] for row in again}


def test_both_dialects_are_asked(university, pool, tmp_path):
    rows, _ = synthesize([university["duckdb"]], pool, tmp_path, wanted=20)
    assert len(rows) == 20


def test_databases_share_the_questions_and_one_that_has_too_few_leaves_its_share_to_others(
    university, shops, pool, tmp_path
):
    rows, _ = synthesize([university["sqlite"], shops["sqlite"]], pool, tmp_path, wanted=40)
    counts = Counter(row["database_id"] for row in rows)
    assert sum(counts.values()) == 40 and set(counts) == {"university", "shop"}
