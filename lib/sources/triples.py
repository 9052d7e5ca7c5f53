"""The user's own graph, from files of triples, entities, relations and pages.

In: the settings of the source. Out: a RawGraph in which every broken row is set aside with its file,
line and reason. Entities that only the triples name get their id as label.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from lib.errors import SourceError
from lib.settings.source import TriplesSource
from lib.sources.files import Row, read_rows
from lib.sources.raw_graph import RawGraph
from lib.sources.values import add_value, find_numeric, is_missing, is_null_word
from lib.sources.wording import derive_wording, split_words

logger = logging.getLogger("ropewalk.source")

OWN_COLUMNS = ("id", "label", "type", "aliases", "attributes")
LIST_COLUMNS = ("type", "aliases")
NESTED = (list, dict)


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


def _good_rows(
    graph: RawGraph, path: Path, *, columns: tuple[str, ...], needed: tuple[str, ...], further: tuple[str, ...] = ()
) -> Iterator[Row]:
    """The rows that have something in every needed column; the others are set aside."""
    seen = False
    for row in read_rows(path, columns=columns, needed=needed, further=further):
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
        if fault := _fault_of(row, (*columns, *further), needed):
            graph.reject(str(path), row.line, row.content, fault)
            continue
        yield row


def _fault_of(row: Row, columns: tuple[str, ...], needed: tuple[str, ...]) -> str:
    if empty := [name for name in needed if is_missing(row.values.get(name))]:
        return f"{' and '.join(empty)} empty"
    nested = [name for name in columns if isinstance(row.values.get(name), dict if name in LIST_COLUMNS else NESTED)]
    return f"{' and '.join(nested)} not a single value" if nested else ""


def _require_some(num_good: int, path: Path, columns: tuple[str, ...], rejected: list[dict]) -> None:
    """Raises SourceError for a file that gives nothing, lest a graph without it passes for one with it."""
    if num_good:
        return
    raise SourceError(
        "Not a single row of the file fits.",
        where=str(path),
        kept=f"{len(rejected)} rows were set aside; the first: {rejected[0]}" if rejected else "",
        next_step=f"Give rows of ({', '.join(columns)}), or leave the file out of the settings.",
    )


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
    columns, before = ("id", "label", "type", "aliases"), len(graph.rejected)
    rows = list(_good_rows(graph, path, columns=columns, needed=("id",)))
    _require_some(len(rows), path, columns, graph.rejected[before:])
    numeric = find_numeric(cell for row in rows for cell in _attributes_of(row))
    num_null: Counter[str] = Counter()
    for row in rows:
        entity = str(row.values["id"]).strip()
        if entity in graph.entities:
            graph.reject(str(path), row.line, row.content, "the same id stands further up")
            continue
        label = _text(row.values.get("label")).strip() or entity
        type_ = _text(_first(row.values.get("type")))
        graph.add_entity(entity, label, type_, _as_list(row.values.get("aliases")))
        for name, value in _attributes_of(row):
            if name in numeric and isinstance(value, str) and value.strip():
                if is_null_word(value):
                    num_null[name] += 1
                    continue
                value = float(value)
            add_value(graph, entity, name, value)
    if num_null:
        told = ", ".join(f"{count:,} of {name}" for name, count in num_null.items())
        logger.warning("%s: words such as 'n/a' among numbers count as missing: %s.", path, told)


def _attributes_of(row: Row) -> Iterator[tuple[str, object]]:
    """Columns that are no others, and what an object ``attributes`` holds."""
    given = row.values.get("attributes")
    for name, value in {**row.values, **(given if isinstance(given, dict) else {})}.items():
        if name not in OWN_COLUMNS:
            yield str(name), value


def _text(value: object) -> str:
    return "" if is_missing(value) else str(value)


def _first(value: object) -> object:
    """Of several types the first, since an entity has one."""
    return next((item for item in value if not is_missing(item)), None) if isinstance(value, list) else value


def _as_list(value: object) -> list[str]:
    """Aliases as a list, or as one text with ``|`` between them."""
    if isinstance(value, (list, tuple)):
        return [str(item) for item in value if item]
    return [part.strip() for part in _text(value).split("|") if part.strip()]


def _read_relations(graph: RawGraph, path: Path) -> None:
    used = {relation for _, relation, _ in graph.facts}
    columns, further = ("relation", "phrase", "inverse_phrase"), ("label", "id")
    num_good, before = 0, len(graph.rejected)
    for row in read_rows(path, columns=columns, needed=("relation",), further=further):
        key = "id" if is_missing(row.values.get("relation")) and "id" in row.values else "relation"
        if fault := row.reason or _fault_of(row, (*columns, *further), (key,)):
            graph.reject(str(path), row.line, row.content, fault)
            continue
        num_good += 1
        name = str(row.values[key]).strip()
        if name in used:
            phrase, inverse, label = (_text(row.values.get(column)) for column in (*columns[1:], "label"))
            graph.wording[name] = derive_wording(name, phrase, inverse, words=split_words(label or name))
    _require_some(num_good, path, columns, graph.rejected[before:])


def _read_pages(graph: RawGraph, path: Path) -> None:
    columns, before = ("id", "title", "text", "entity_id"), len(graph.rejected)
    taken: set[str] = set()
    for row in _good_rows(graph, path, columns=columns, needed=("id", "text"), further=("label",)):
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
    _require_some(len(taken), path, columns, graph.rejected[before:])
