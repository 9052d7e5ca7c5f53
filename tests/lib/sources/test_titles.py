"""Titles of entities whose labels repeat."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lib.sources.titles import make_titles


def _entity(id_: str, label: str, type_: str) -> dict:
    return {"id": id_, "label": label, "type": type_}


def test_a_label_that_stands_once_is_the_title() -> None:
    assert make_titles([_entity("1", "Bern", "city")], []) == {"1": "Bern"}


def test_repeated_labels_are_told_apart_by_type_then_by_facts() -> None:
    entities = [
        _entity("1", "Santiago", "city"),
        _entity("2", "Santiago", "city"),
        _entity("3", "Santiago", "province"),
        _entity("cl", "Chile", "country"),
        _entity("es", "Spain", "country"),
    ]
    facts = [("1", "country", "cl"), ("2", "country", "es"), ("3", "country", "cl")]
    titles = make_titles(entities, facts)
    assert titles["1"] == "Santiago (city, Chile)"
    assert titles["2"] == "Santiago (city, Spain)"
    assert titles["3"] == "Santiago (province)"


@given(st.lists(st.sampled_from(["Bern", "bern", "Bern (city)", "Rome"]), max_size=8))
def test_titles_never_repeat(labels: list[str]) -> None:
    titles = make_titles([_entity(str(i), label, "city") for i, label in enumerate(labels)], [])
    assert len({title.casefold() for title in titles.values()}) == len(labels)
