"""Harder ways to say the same leave the query alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lib.progress import Silent
from lib.settings.synthesis import SynthesisSettings
from lib.sources.sql.schema import Column, Database, Dialect, Table
from lib.synthesis.funnel import Funnel
from lib.synthesis.sql.fill import SqlSynthesis, filters_in_order
from lib.synthesis.sql.synonyms import synonyms_of
from lib.synthesis.sql.variants import soil_values
from lib.synthesis.template_writer import TemplateWriter

SQL = "SELECT name FROM towns WHERE region = 'New York' AND kind = 'It''s'"


def test_a_value_of_the_query_is_told_otherwise_and_what_is_no_value_stays():
    prompt = 'Which towns called "towns" lie in "New York"?'
    soiled = {soil_values(prompt, SQL, Random(seed), {}) for seed in range(20)}
    assert len(soiled) > 3 and prompt not in soiled
    for text in soiled:
        assert text.startswith('Which towns called "towns" lie in "')
        assert text.replace("-", " ").replace("  ", " ").casefold() == prompt.casefold()


def test_a_quote_in_a_value_is_found_as_the_query_writes_it():
    assert soil_values('of the kind "It\'s"', SQL, Random(0), {}) != 'of the kind "It\'s"'


def test_a_value_is_told_by_another_name_that_it_alone_has():
    described = replace(Column("sex"), value_description="F: female, M: male\n0 = no answer was given by the patient")
    table = Table("people", (Column("id"), described), rows=3)
    synonyms = synonyms_of(Database("clinic", Dialect.SQLITE, Path("clinic.sqlite"), (table,)))
    assert synonyms["F"] == ("female",) and synonyms["M"] == ("male",) and "0" not in synonyms
    assert "JPN" in synonyms["Japan"] and "Swiss Confederation" in synonyms["Switzerland"]
    assert "EUR" in synonyms["Euro"] and "CHE" not in synonyms  # of a currency and of Switzerland
    sql = "SELECT name FROM cities WHERE country = 'Japan'"
    soiled = {soil_values('cities of "Japan"', sql, Random(seed), synonyms) for seed in range(40)}
    assert 'cities of "JPN"' in soiled and 'cities of "japan"' in soiled


@pytest.fixture
def fill(university, pool, tmp_path):
    def make(split="train", **sql):
        settings = SynthesisSettings(sql=sql)
        funnel, writer = Funnel(filters_in_order(judged=False)), TemplateWriter()
        synthesis = SqlSynthesis(settings, pool=pool, writer=writer, funnel=funnel, seed=4, scratch=tmp_path)
        return synthesis.fill(split, [university["sqlite"]], 20, Silent()), synthesis.paraphrases

    return make


def test_paraphrases_ask_the_same_in_other_words(fill):
    rows, more = fill(paraphrases=2)
    assert len(rows) == 20 and len(more) > 20
    by_id = {row["id"]: row for row in rows}
    for row in more:
        original = by_id[row["id"].rpartition("-")[0]]
        assert row["gold_sql"] == original["gold_sql"] and row["prompt"] != original["prompt"]
    assert len({row["id"] for row in [*rows, *more]}) == len(rows) + len(more)


def test_questions_that_are_held_out_are_not_paraphrased(fill):
    assert fill("test", paraphrases=2)[1] == []


def test_dirty_values_change_prompts_and_no_query(fill):
    clean, _ = fill()
    dirty, _ = fill(dirty_values=1.0)
    assert [row["gold_sql"] for row in clean] == [row["gold_sql"] for row in dirty]
    changed = [(a["prompt"], b["prompt"]) for a, b in zip(clean, dirty, strict=True) if a["prompt"] != b["prompt"]]
    assert changed and all('"' in before for before, _ in changed)
