"""Names of relations as English."""

from __future__ import annotations

import pytest

from lib.sources.wording import derive_wording, name_types, split_words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/film/film/directed_by", "directed by"),
        ("_member_meronym", "member meronym"),
        ("http://x.org/onto#capitalOf", "capital of"),
        ("located in subregion", "located in subregion"),
        ("P31", "p31"),
    ],
)
def test_a_name_is_split_into_words(name: str, words: str) -> None:
    assert split_words(name) == words


@pytest.mark.parametrize(
    ("name", "phrase", "noun", "inverse_noun"),
    [
        (
            "official language",
            "has the official language",
            "the official language of {x}",
            "the one whose official language is {x}",
        ),
        (
            "place of birth",
            "has the place of birth",
            "the place of birth of {x}",
            "the one whose place of birth is {x}",
        ),
        ("directed_by", "is directed by", "the one that {x} is directed by", "the one that is directed by {x}"),
        (
            "located in country",
            "is located in country",
            "the country that {x} is located in",
            "the one that is located in country {x}",
        ),
        ("in time zone", "is in time zone", "the time zone of {x}", "the one that is in time zone {x}"),
        ("contains", "contains", "the one that is contained in {x}", "the one that contains {x}"),
        ("has part", "has part", "the part of {x}", "the one that has part {x}"),
        (
            "shares border with",
            "shares border with",
            "the one that {x} shares border with",
            "the one that shares border with {x}",
        ),
    ],
)
def test_phrases_follow_the_form_of_the_name(name: str, phrase: str, noun: str, inverse_noun: str) -> None:
    wording = derive_wording(name)
    assert (wording.phrase, wording.nouns[0], wording.inverse_nouns[0]) == (phrase, noun, inverse_noun)


def test_given_phrases_replace_the_derived_ones() -> None:
    wording = derive_wording("r", "adores", "is adored by")
    assert (wording.phrase, wording.inverse_phrase) == ("adores", "is adored by")


def test_types_replace_the_one() -> None:
    wording = name_types(derive_wording("currency"), "country", "currency")
    assert wording.inverse_nouns[0] == "the country whose currency is {x}"
