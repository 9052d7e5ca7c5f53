"""English phrases for the relations of the atlas.

One entry a relation: a verb phrase each way for the pages, noun phrases and questions each way for
the questions, key words each way for a search. ``{x}`` is the entity that is known.
"""

from __future__ import annotations

from lib.sources.wording import RelationWording


def _wording(relation: str, phrases: tuple[str, str], along: dict, against: dict) -> RelationWording:
    return RelationWording(
        relation=relation,
        phrase=phrases[0],
        inverse_phrase=phrases[1],
        nouns=tuple(along["nouns"]),
        inverse_nouns=tuple(against["nouns"]),
        questions=tuple(along["questions"]),
        inverse_questions=tuple(against["questions"]),
        keywords=along["keywords"],
        inverse_keywords=against["keywords"],
    )


def _side(keywords: str, nouns: list[str], questions: list[str]) -> dict:
    return {"keywords": keywords, "nouns": nouns, "questions": questions}


PLACES = (
    _wording(
        "country",
        ("lies in the country", "contains"),
        _side(
            "lies in country",
            ["the country in which {x} lies", "the country where {x} is found", "the country of {x}"],
            [
                "In which country does {x} lie?",
                "Which country does {x} belong to?",
                "In which country is {x}?",
                "What is the country of {x}?",
            ],
        ),
        _side(
            "contains",
            ["the one place listed in {x}"],
            ["Which single place is listed in {x}?"],
        ),
    ),
    _wording(
        "city_served",
        ("serves the city", "is served by the airport"),
        _side(
            "serves city",
            ["the city served by {x}", "the city that {x} serves"],
            ["Which city does {x} serve?", "Which city is served by {x}?"],
        ),
        _side(
            "served by airport",
            ["the airport that serves {x}", "the airport of {x}"],
            ["Which airport serves {x}?", "By which airport is {x} served?"],
        ),
    ),
    _wording(
        "subdivision",
        ("is in the subdivision", "includes"),
        _side(
            "subdivision",
            ["the subdivision in which {x} lies", "the state or province around {x}"],
            [
                "In which state, province or other subdivision does {x} lie?",
                "Which subdivision does {x} belong to?",
                "Which subdivision lies around {x}?",
            ],
        ),
        _side("includes", ["the one place listed in {x}"], ["Which single place is listed in {x}?"]),
    ),
    _wording(
        "parent_subdivision",
        ("is part of the larger subdivision", "is divided into"),
        _side(
            "larger subdivision",
            ["the larger subdivision that {x} is part of", "the larger subdivision around {x}"],
            ["Which larger subdivision is {x} part of?", "What is the larger subdivision around {x}?"],
        ),
        _side(
            "divided into",
            ["the only smaller subdivision of {x}"],
            ["What is the only smaller subdivision of {x}?"],
        ),
    ),
    _wording(
        "time_zone",
        ("keeps the time zone", "is the time zone of"),
        _side(
            "time zone",
            ["the time zone of {x}", "the time zone kept in {x}"],
            ["Which time zone does {x} keep?", "In which time zone is {x}?", "What is the time zone of {x}?"],
        ),
        _side(
            "time zone of",
            ["the only place that keeps the time zone {x}"],
            ["Which is the only place that keeps the time zone {x}?"],
        ),
    ),
    _wording(
        "zone_country",
        ("is kept in the country", "uses the time zone"),
        _side(
            "kept in country",
            ["the country that keeps {x}", "the country whose clocks follow {x}"],
            ["Which country keeps {x}?", "In which country is {x} kept?"],
        ),
        _side(
            "uses time zone",
            ["the only time zone used in {x}", "the time zone that all of {x} keeps"],
            ["What is the only time zone used in {x}?", "Which time zone does {x} use throughout?"],
        ),
    ),
)

COUNTRIES = (
    _wording(
        "capital",
        ("has the capital", "is the capital of"),
        _side(
            "capital",
            ["the capital of {x}", "the capital city of {x}"],
            ["What is the capital of {x}?", "Which city is the capital of {x}?"],
        ),
        _side(
            "capital of",
            ["the country whose capital is {x}", "the country governed from {x}"],
            ["Which country has {x} as its capital?", "Of which country is {x} the capital?"],
        ),
    ),
    _wording(
        "borders",
        ("shares a border with", "shares a border with"),
        _side(
            "shares border",
            ["the only country that borders {x}", "the sole land neighbour of {x}"],
            ["Which is the only country that borders {x}?", "With which one country does {x} share a border?"],
        ),
        _side(
            "shares border",
            ["the only country that borders {x}", "the sole land neighbour of {x}"],
            ["Which is the only country that borders {x}?", "With which one country does {x} share a border?"],
        ),
    ),
    _wording(
        "currency",
        ("uses the currency", "is the currency of"),
        _side(
            "currency",
            ["the currency of {x}", "the currency used in {x}"],
            ["What is the currency of {x}?", "Which currency is used in {x}?", "With which money does one pay in {x}?"],
        ),
        _side(
            "currency of",
            ["the only country that uses {x}", "the country whose currency is {x}"],
            ["Which country uses {x}?", "In which country is {x} the currency?"],
        ),
    ),
    _wording(
        "official_language",
        ("has the official language", "is an official language of"),
        _side(
            "official language",
            ["the official language of {x}", "the only official language of {x}"],
            ["What is the official language of {x}?", "Which language is official in {x}?"],
        ),
        _side(
            "official language of",
            ["the only country where {x} is an official language"],
            ["In which country is {x} an official language?", "Which country has {x} as an official language?"],
        ),
    ),
    _wording(
        "language_spoken",
        ("has speakers of", "is spoken in"),
        _side(
            "speakers of",
            ["the one language recorded as spoken in {x}"],
            ["Which one language is recorded as spoken in {x}?"],
        ),
        _side(
            "spoken in",
            ["the only country where {x} is recorded as spoken", "the one country with speakers of {x}"],
            ["In which country is {x} spoken?", "Which country has speakers of {x}?"],
        ),
    ),
    _wording(
        "subregion",
        ("belongs to the subregion", "is the subregion of"),
        _side(
            "subregion",
            ["the subregion of {x}", "the part of the world around {x}"],
            ["To which subregion does {x} belong?", "What is the subregion of {x}?"],
        ),
        _side("subregion of", ["the only country of {x}"], ["Which is the only country of {x}?"]),
    ),
    _wording(
        "continent",
        ("lies on the continent", "is the continent of"),
        _side(
            "continent",
            ["the continent on which {x} lies", "the continent of {x}"],
            ["On which continent does {x} lie?", "What is the continent of {x}?"],
        ),
        _side("continent of", ["the only country on {x}"], ["Which is the only country on {x}?"]),
    ),
)

ELEMENTS = (
    _wording(
        "discoverer",
        ("was discovered by", "discovered"),
        _side(
            "discovered by",
            ["the discoverer of {x}", "the one who discovered {x}"],
            ["Who discovered {x}?", "Who is credited with the discovery of {x}?"],
        ),
        _side(
            "discovered",
            ["the element that {x} discovered", "the chemical element discovered by {x}"],
            ["Which element did {x} discover?", "Which chemical element was discovered by {x}?"],
        ),
    ),
    _wording(
        "discovery_country",
        ("was discovered in", "is where people discovered"),
        _side(
            "discovered in",
            ["the country where {x} was discovered", "the country in which {x} was first found"],
            ["In which country was {x} discovered?", "Where was {x} discovered?"],
        ),
        _side(
            "people discovered",
            ["the only element discovered in {x}"],
            ["Which is the only chemical element discovered in {x}?", "Which one element was discovered in {x}?"],
        ),
    ),
    _wording(
        "group",
        ("is in the group", "is the group of"),
        _side(
            "group",
            ["the group of {x} in the periodic table", "the periodic-table group that holds {x}"],
            ["In which group of the periodic table is {x}?", "Which group of the periodic table holds {x}?"],
        ),
        _side("group of", ["the only element in {x}"], ["Which element is the only one in {x}?"]),
    ),
    _wording(
        "period",
        ("is in the period", "is the period of"),
        _side(
            "period",
            ["the period of {x} in the periodic table", "the row of the periodic table that holds {x}"],
            ["In which period of the periodic table is {x}?", "Which row of the periodic table holds {x}?"],
        ),
        _side("period of", ["the only element in {x}"], ["Which element is the only one in {x}?"]),
    ),
    _wording(
        "series",
        ("belongs to the series", "is the series of"),
        _side(
            "series",
            ["the series of elements that {x} belongs to", "the family of elements around {x}"],
            ["To which series of elements does {x} belong?", "Which family of elements is {x} part of?"],
        ),
        _side("series of", ["the only one of the {x}"], ["Which element is the only one of the {x}?"]),
    ),
    _wording(
        "crystal_structure",
        ("crystallises in the structure", "is the crystal structure of"),
        _side(
            "crystallises structure",
            ["the crystal structure of {x}", "the structure in which {x} crystallises"],
            ["What is the crystal structure of {x}?", "In which structure does {x} crystallise?"],
        ),
        _side(
            "crystal structure of",
            ["the only element that crystallises in the {x} structure"],
            ["Which is the only element that crystallises in the {x} structure?"],
        ),
    ),
    _wording(
        "top_producer",
        ("has the top producer", "is the top producer of"),
        _side(
            "top producer",
            ["the top producer of {x}", "the largest producer of {x}"],
            ["Which country is the top producer of {x}?", "Which country is the largest producer of {x}?"],
        ),
        _side(
            "top producer of",
            ["the only element of which {x} is the top producer"],
            ["Of which one element is {x} the top producer?"],
        ),
    ),
    _wording(
        "top_reserve_holder",
        ("has its largest reserves in", "holds the largest reserves of"),
        _side(
            "largest reserves",
            ["the country with the largest reserves of {x}", "the country that holds most {x} in the ground"],
            ["Which country has the largest reserves of {x}?", "Where are the largest reserves of {x}?"],
        ),
        _side(
            "holds largest reserves",
            ["the only element of which {x} holds the largest reserves"],
            ["Of which one element does {x} hold the largest reserves?"],
        ),
    ),
)

ATLAS_WORDING = {wording.relation: wording for wording in (*PLACES, *COUNTRIES, *ELEMENTS)}
