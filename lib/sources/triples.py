"""The user's own graph, from files of triples, entities, relations and pages.

In: the settings of the source. Out: a RawGraph in which every broken row is set aside with its file,
line and reason. Entities that only the triples name get their id as label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lib.errors import SourceError
from lib.settings.source import TriplesSource
from lib.sources.files import Row, read_rows
from lib.sources.raw_graph import RawGraph
from lib.sources.values import add_value, looks_numeric
from lib.sources.wording import derive_wording, split_words

OWN_COLUMNS = ("id", "label", "type", "aliases", "attributes")


def read_triples(settings: TriplesSource) -> RawGraph:
    graph = RawGraph()
    if settings.entities:
        _read_entities(graph, settings.entities)
    _read_facts(graph, settings.triples)
    if settings.relations:
        _read_relations(graph, settings.relations)
    if settings.pages:
        _read_pages(graph, settings.pages)
    return graph


def _good_rows(graph: RawGraph, path: Path, *, columns: tuple[str, ...], needed: tuple[str, ...]) -> Iterator[Row]:
    """The rows that have something in every needed column; the others are set aside."""
    seen = False
    for row in read_rows(path, columns=columns):
        if row.reason:
            graph.reject(str(path), row.line, row.content, row.reason)
            continue
        if not seen and not any(name in row.values for name in needed):
            raise SourceError(
                f"None of the columns {', '.join(needed)} is there; present: {', '.join(row.values)}.",
                where=f"{path}, line {row.line}",
                next_step=f"Name the columns {', '.join(columns)} in the first line.",
            )
        seen = True
        empty = [name for name in needed if row.values.get(name) is None or not str(row.values[name]).strip()]
        if empty:
            graph.reject(str(path), row.line, row.content, f"{' and '.join(empty)} empty")
            continue
        yield row


def _read_facts(graph: RawGraph, path: Path) -> None:
    columns = ("head", "relation", "tail")
    for row in _good_rows(graph, path, columns=columns, needed=columns):
        head, relation, tail = (str(row.values[name]).strip() for name in columns)
        if (head, relation, tail) in graph.facts:
            graph.reject(str(path), row.line, row.content, "the same triple stands further up")
            continue
        graph.add_fact(head, relation, tail)
        for entity in (head, tail):
            if entity not in graph.entities:
                graph.add_entity(entity, entity, "")


def _read_entities(graph: RawGraph, path: Path) -> None:
    rows = list(_good_rows(graph, path, columns=("id", "label", "type", "aliases"), needed=("id",)))
    texts: dict[str, list[str]] = {}
    for row in rows:
        for name, value in row.values.items():
            if isinstance(value, str) and value.strip():
                texts.setdefault(name, []).append(value)
    numeric = {name for name, values in texts.items() if all(map(looks_numeric, values))}
    for row in rows:
        entity = str(row.values["id"]).strip()
        if entity in graph.entities:
            graph.reject(str(path), row.line, row.content, "the same id stands further up")
            continue
        label = str(row.values.get("label") or "").strip() or entity
        graph.add_entity(entity, label, str(row.values.get("type") or ""), _as_list(row.values.get("aliases")))
        given = row.values.get("attributes")
        for name, value in {**row.values, **(given if isinstance(given, dict) else {})}.items():
            if name not in OWN_COLUMNS:
                number = float(value) if name in numeric and isinstance(value, str) and value.strip() else value
                add_value(graph, entity, str(name), number)


def _as_list(value: object) -> list[str]:
    """Aliases as a list, or as one text with ``|`` between them."""
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value if item]
    return [part.strip() for part in str(value).split("|") if part.strip()] if value else []


def _read_relations(graph: RawGraph, path: Path) -> None:
    used = {relation for _, relation, _ in graph.facts}
    columns = ("relation", "phrase", "inverse_phrase")
    for row in read_rows(path, columns=columns):
        name = str(row.values.get("relation") or row.values.get("id") or "").strip()
        if row.reason or not name:
            graph.reject(str(path), row.line, row.content, row.reason or "relation empty")
        elif name in used:
            phrase, inverse = (str(row.values.get(key) or "") for key in columns[1:])
            words = split_words(str(row.values.get("label") or name))
            graph.wording[name] = derive_wording(name, phrase, inverse, words=words)


def _read_pages(graph: RawGraph, path: Path) -> None:
    taken: set[str] = set()
    for row in _good_rows(graph, path, columns=("id", "title", "text", "entity_id"), needed=("id", "text")):
        page, values = str(row.values["id"]), row.values
        if page in taken:
            graph.reject(str(path), row.line, row.content, "the same id stands further up")
            continue
        taken.add(page)
        entity = values.get("entity_id") or (page if page in graph.entities else None)
        title = (
            values.get("title") or values.get("label") or (graph.entities[page]["label"] if entity == page else page)
        )
        graph.pages.append(
            {"id": page, "title": str(title), "text": str(values["text"]), "entity_id": entity and str(entity)}
        )
