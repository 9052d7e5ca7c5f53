"""What a sentence says is what the query asks: names, numbers, marks, and verbs that agree."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from lib.sources.sql.schema import Column, Database, Dialect, ForeignKey, Kind, Table
from lib.synthesis.sql.naming import is_plural, plural, role, singular
from lib.synthesis.sql.request import BestOfEach, Between, Compare, Measure, Order, Place, Request
from lib.synthesis.sql.request import Path as Way
from lib.synthesis.sql.telling import tell

KEY = ForeignKey("prescriptions", ("medicine_id",), "medicines", ("id",))
MEDICINES = Table("medicines", (Column("id"), Column("is_restricted", kind=Kind.INTEGER, samples=(0, 1))), rows=9)
PRESCRIPTIONS = Table(
    "prescriptions",
    (
        Column("id"),
        Column("days", kind=Kind.INTEGER, samples=(3,)),
        Column("dose", kind=Kind.REAL, samples=(106.88324,)),
        Column("is_private", kind=Kind.BOOLEAN, samples=(True, False)),
    ),
    rows=90,
)
DATABASE = Database("clinic", Dialect.SQLITE, Path("clinic.sqlite"), (MEDICINES, PRESCRIPTIONS), (KEY,))


def place(name: str, table: Table = PRESCRIPTIONS, way: Way = Way()) -> Place:  # noqa: B008 - frozen
    return Place(way, table, table.column(name))


def said(condition, seeds: int = 12) -> set[str]:
    request = Request(PRESCRIPTIONS, measures=(Measure("count"),), conditions=(condition,))
    return {tell(request, Random(seed)) for seed in range(seeds)}


@pytest.mark.parametrize(
    ("value", "shown"), [(106.88324, "106.88324"), (12.0, "12"), (0.1, "0.1"), (1234567.5, "1234567.5"), (7, "7")]
)
def test_a_number_is_told_as_the_query_has_it(value, shown):
    for sentence in said(Compare(place("dose"), ">", value)):
        assert shown in sentence.rstrip(".?").split()


def test_both_ends_of_a_range_are_exact():
    for sentence in said(Between(place("dose"), 106.88324, 135.41667)):
        assert "between 106.88324 and 135.41667" in sentence


def test_what_is_plural_takes_a_plural_verb():
    for sentence in said(Compare(place("days"), "=", 3)):
        assert "whose days are 3" in sentence or "whose days equal 3" in sentence
    assert is_plural("goals conceded") and is_plural("days") and not is_plural("status") and not is_plural("price")


@pytest.mark.parametrize(
    ("operator", "value", "words"),
    [("=", True, "marked as private"), ("=", False, "not marked as private"), ("!=", True, "not marked as private")],
)
def test_a_mark_is_said_of_the_row(operator, value, words):
    for sentence in said(Compare(place("is_private"), operator, value)):
        assert words in sentence and ("not" in words or "not" not in sentence)


def test_a_mark_of_a_row_above_is_said_of_that_row_though_the_database_writes_0_and_1():
    condition = Compare(place("is_restricted", MEDICINES, Way((KEY,))), "=", 1)
    assert all("whose medicine is marked as restricted" in sentence for sentence in said(condition))


@pytest.mark.parametrize(
    ("name", "holds", "words"),
    [
        ("has_projector", True, "with a projector"),
        ("has_projector", False, "with no projector"),
        ("has_stairs", True, "with stairs"),
        ("opens_on_sunday", True, 'with the mark "opens on sunday" set'),
        ("opens_on_sunday", False, 'with the mark "opens on sunday" not set'),
    ],
)
def test_a_mark_of_another_form_is_said_as_its_name_reads(name, holds, words):
    way, marked = Way(), Column(name, kind=Kind.BOOLEAN, samples=(True, False))
    assert all(words in sentence for sentence in said(Compare(Place(way, PRESCRIPTIONS, marked), "=", holds)))


def test_a_mark_that_is_counted_by_is_a_flag():
    request = Request(PRESCRIPTIONS, measures=(Measure("count"),), groups=(place("is_private"),))
    for seed in range(12):
        assert "each private flag" in tell(request, Random(seed))


def test_the_best_of_a_group_is_sought_among_those_of_the_same_group():
    best = BestOfEach(within=place("id", MEDICINES, Way((KEY,))), order=Order(place("dose"), "desc"))
    told = {tell(Request(PRESCRIPTIONS, columns=(place("id"),), best=best), Random(seed)) for seed in range(20)}
    assert any("mong the prescriptions with the same id of the medicine, which has the" in text for text in told)


def test_a_key_that_is_called_as_what_it_refers_to_leads_to_the_table_by_its_name():
    shared = ForeignKey("isotopes", ("atomic_number",), "elements", ("atomic_number",))
    assert role(shared) == "element"
    assert role(ForeignKey("matches", ("home_club_id",), "clubs", ("id",))) == "home club"


def test_the_noun_of_a_phrase_takes_the_plural():
    assert plural("ionic radius") == "ionic radii"
    assert plural("price per kilogram of the element") == "prices per kilogram of the element"
    assert plural(singular("countries of origin")) == "countries of origin"
