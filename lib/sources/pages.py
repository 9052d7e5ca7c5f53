"""One page an entity, written out from its facts.

In: the tables of a graph. Out: the pages that a search returns. Every line is one sentence that
begins with the page's title, so that a line makes sense alone, in a snippet. Long lists are cut.
"""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa

from data_contracts.graph import PAGES
from lib.sources.titles import make_titles, one_line
from lib.sources.wording import split_words

LISTED = 8  # objects that a sentence names before "and 12 more": a small model reads no further
LISTED_INVERSE = 5  # facts against the arrow, told only where there are at most this many
UNIT_SUFFIXES = frozenset(("km2", "km", "m", "ft", "kg", "usd"))
UNTOLD_UNITS = frozenset({"degrees"})  # coordinates fill pages and answer nothing


def write_pages(tables: dict[str, pa.Table]) -> pa.Table:
    """Pages with ids ``page:<entity id>``, in the order of the entities."""
    entities = tables["entities"].to_pylist()
    facts = list(zip(*(tables["facts"].column(name).to_pylist() for name in FACT_COLUMNS), strict=True))
    phrases = {row["relation"]: (row["phrase"], row["inverse_phrase"]) for row in tables["relations"].to_pylist()}
    titles = make_titles(entities, facts)
    lines = _open_pages(entities, titles)
    _tell_facts(lines, facts, titles, phrases)
    _tell_attributes(lines, tables["attributes"], titles)
    rows = {
        "id": [f"page:{entity}" for entity in lines],
        "title": [titles[entity] for entity in lines],
        "text": ["\n".join(sentences) for sentences in lines.values()],
        "entity_id": list(lines),
    }
    return pa.table(rows, schema=PAGES.schema)


FACT_COLUMNS = ("subject_id", "relation", "object_id")


def _open_pages(entities: list[dict], titles: dict[str, str]) -> dict[str, list[str]]:
    """The first sentence says what the entity is."""
    lines = {}
    for row in entities:
        title, type_ = titles[row["id"]], row["type"]
        article = "an" if type_[:1].lower() in "aeiou" else "a"
        lines[row["id"]] = [f"{title} is {article} {type_}." if type_ else f"This page is about {title}."]
    return lines


def _tell_facts(
    lines: dict[str, list[str]],
    facts: list[tuple[str, str, str]],
    titles: dict[str, str],
    phrases: dict[str, tuple[str, str]],
) -> None:
    known_by: dict[str, int] = defaultdict(int)  # facts about an entity, as a measure of note
    told: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for subject, relation, target in facts:
        known_by[subject] += 1
        known_by[target] += 1
        symmetric = phrases[relation][0] == phrases[relation][1]
        told[(subject, relation, False)].append(target)
        told[(target, relation, not symmetric)].append(subject)
    for (entity, relation, inverse), others in told.items():
        if inverse and len(others) > LISTED_INVERSE:
            continue
        others = sorted(dict.fromkeys(others), key=lambda other: (-known_by[other], titles[other]))
        names = [titles[other] for other in others]
        lines[entity].append(f"{titles[entity]} {phrases[relation][inverse]} {join_names(names)}.")


def _tell_attributes(lines: dict[str, list[str]], attributes: pa.Table, titles: dict[str, str]) -> None:
    for row in attributes.to_pylist():
        if row["unit"] in UNTOLD_UNITS:
            continue
        title, words = titles[row["entity_id"]], attribute_words(row["name"])
        if row["kind"] == "boolean":
            lines[row["entity_id"]].append(f"{title} is {'' if row['number'] else 'not '}{words}.")
        else:
            lines[row["entity_id"]].append(f"{title} has the {words} {format_value(row)}.")


def join_names(names: list[str]) -> str:
    """``A``, ``A and B``, ``A, B and C``; a long list ends with how many more there are."""
    if len(names) > LISTED:
        return f"{', '.join(names[:LISTED])} and {len(names) - LISTED} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def format_value(row: dict) -> str:
    """An attribute's value as pages and answers write it: ``1766``, ``103,000 km²``, ``+354``."""
    if row["kind"] == "text":
        return one_line(row["text"])
    number = row["number"]
    if row["kind"] == "year":
        return str(int(number))
    text = f"{number:,.0f}" if float(number).is_integer() else f"{number:,.6g}"
    return f"{text} {row['unit']}" if row["unit"] else text


def attribute_words(name: str) -> str:
    """``iata_code`` -> ``IATA code``; ``elevation_ft`` -> ``elevation``, since the value has the unit."""
    capitals = {"iata": "IATA", "icao": "ICAO", "iso": "ISO", "cas": "CAS", "un": "UN", "url": "URL", "id": "ID"}
    words = split_words(name).split()
    if len(words) > 1 and words[-1] in UNIT_SUFFIXES:
        words.pop()
    return " ".join(capitals.get(word, word) for word in words)
