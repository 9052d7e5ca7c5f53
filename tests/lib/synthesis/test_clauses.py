"""Pieces of English: objects, modifiers, rows of verbs, patterns."""

from __future__ import annotations

import random

import pytest

from lib.synthesis.knowledge.clauses import (
    Kind,
    Mention,
    add_object,
    as_modifier,
    describe,
    fill,
    join_verbs,
    name_of_thing,
    take_role,
)

THAT_COUNTRY = Mention("that country", Kind.POINTED, is_it=True)
TOLD = Mention("the country in which Offa lies", Kind.TOLD, 1)


@pytest.mark.parametrize(
    ("phrase", "known", "clause"),
    [
        ("lies in the country", Mention("Chile", Kind.NAMED), "lies in the country Chile"),
        ("is in the period", Mention("Period 4", Kind.NAMED), "is in Period 4"),
        ("has the capital", Mention("Capital City", Kind.NAMED), "has the capital Capital City"),
        ("lies in the country", THAT_COUNTRY, "lies in that country"),
        ("is located in country", THAT_COUNTRY, "is located in that country"),
        ("has the top producer", THAT_COUNTRY, "has that country as its top producer"),
        ("is the capital of", TOLD, "is the capital of the country in which Offa lies"),
        ("contains", THAT_COUNTRY, "contains that country"),
    ],
)
def test_an_object_takes_the_place_of_the_noun_that_names_its_kind(phrase: str, known: Mention, clause: str) -> None:
    assert add_object(phrase, known) == clause


@pytest.mark.parametrize(
    ("clause", "modifier"),
    [
        ("is in Period 4", "in Period 4"),
        ("was discovered by Ann", "discovered by Ann"),
        ("is part of Chile", "that is part of Chile"),
        ("is the capital of Chile", "that is the capital of Chile"),
        ("has the symbol Br", "with the symbol Br"),
        ("has an elevation of 20 feet", "with an elevation of 20 feet"),
        ("has its largest reserves in Chile", "that has its largest reserves in Chile"),
    ],
)
def test_a_clause_is_shortened_where_english_allows(clause: str, modifier: str) -> None:
    assert as_modifier(clause) == modifier


def test_a_description_never_stacks_relative_clauses() -> None:
    traits = ["has the symbol Br", "has a density of 3 g/cm³"]
    assert describe("element", ["is in Period 4", *traits]) == (
        "element in Period 4 with the symbol Br and a density of 3 g/cm³"
    )
    two = ["was discovered in France", "was discovered by Ann"]
    assert describe("element", two) == "element that was discovered in France and was discovered by Ann"
    assert describe("town", ["serves Rome", "has the code R"]) == "town that serves Rome and has the code R"
    assert describe("town", []) == "town"


def test_traits_share_one_verb_and_come_last() -> None:
    told = join_verbs(["has the code R", "serves Rome", "has an elevation of 20 feet"])
    assert told == "serves Rome and has the code R and an elevation of 20 feet"


@pytest.mark.parametrize(
    ("phrase", "name"),
    [
        ("the only time zone used in Chile", "time zone"),
        ("the country in which Offa lies", "country"),
        ("the derivationally related form of peruse", "derivationally related form"),
        ("the one whose origin is Chile", ""),
        ("its capital city", "capital city"),
        ("the state or province around Offa", "state or province"),
    ],
)
def test_the_kind_of_thing_is_read_off_a_phrase(phrase: str, name: str) -> None:
    assert name_of_thing(phrase) == name


def test_a_role_becomes_the_noun() -> None:
    assert take_role(["has the code R", "is the spouse of Ann"]) == ("spouse of Ann", ["has the code R"])
    assert take_role(["has the code R"]) == ("", ["has the code R"])


def _fill_all(patterns: list[str], known: Mention, **more: str) -> set[str | None]:
    return {fill(patterns, known, random.Random(seed), **more) for seed in range(60)}


def test_what_is_pointed_at_may_own_what_it_has() -> None:
    assert _fill_all(["What is the capital of {x}?"], THAT_COUNTRY) == {
        "What is the capital of that country?",
        "What is its capital?",
    }
    assert _fill_all(["Which country has the largest reserves of {x}?"], THAT_COUNTRY) == {
        "Which country has the largest reserves of that country?"
    }
    person = Mention("that discoverer", Kind.POINTED)
    assert _fill_all(["the teacher of {x}"], person) == {"the teacher of that discoverer"}


def test_patterns_that_read_badly_are_passed_over() -> None:
    assert _fill_all(["the {x} one", "the one of {x}"], THAT_COUNTRY) <= {"the one of that country", "its one"}
    assert _fill_all(["Where does {x} lie?", "What holds {x}?"], TOLD) == {f"What holds {TOLD.text}?"}
    assert _fill_all(["the one that is in country {x}"], THAT_COUNTRY, unfit="is in country {x}") == {None}
    assert _fill_all(["the country country with {x}"], Mention("Thai", Kind.NAMED)) == {None}
    assert _fill_all(["the country that {x} lies in"], THAT_COUNTRY) == {"the country that it lies in"}
