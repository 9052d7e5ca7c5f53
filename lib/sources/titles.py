"""A title of its own for every entity, since labels repeat.

In: entities and facts. Out: for each entity its label, or the label with what tells it apart:
``Santiago (city, Chile)``, on one line. A title is what a search result shows and what a query may name.
"""

from __future__ import annotations

from collections import defaultdict

DEEPEST = 4  # facts that are tried to tell two entities of one label apart


def make_titles(entities: list[dict], facts: list[tuple[str, str, str]]) -> dict[str, str]:
    """Entity id -> title; every title stands once, compared without regard to case."""
    entities = [row | {"label": one_line(row["label"])} for row in entities]
    shared = _group([(row["id"], row["label"]) for row in entities])
    rows = {row["id"]: row for row in entities}
    titles = {group[0]: rows[group[0]]["label"] for group in shared if len(group) == 1}
    crowded = [group for group in shared if len(group) > 1]
    if not crowded:
        return titles
    objects = _objects_of({entity for group in crowded for entity in group}, facts)
    taken = {title.casefold() for title in titles.values()}
    for group in crowded:
        for entity, title in _qualify(group, rows, objects).items():
            if title.casefold() in taken:
                title = f"{title} [{entity}]"
            taken.add(title.casefold())
            titles[entity] = title
    return titles


def one_line(text: str) -> str:
    """The text with every run of white space as one blank, so that a sentence stays on one line."""
    return " ".join(text.split())


def _group(named: list[tuple[str, str]]) -> list[list[str]]:
    groups = defaultdict(list)
    for entity, name in named:
        groups[name.casefold()].append(entity)
    return list(groups.values())


def _objects_of(wanted: set[str], facts: list[tuple[str, str, str]]) -> dict[str, list[str]]:
    """What the wanted entities point at, relation by relation, where a relation points at one thing."""
    found: dict[str, dict[str, list[str]]] = {entity: {} for entity in wanted}
    for subject, relation, target in facts:
        if subject in wanted:
            found[subject].setdefault(relation, []).append(target)
    return {
        entity: [targets[0] for targets in by_relation.values() if len(targets) == 1]
        for entity, by_relation in found.items()
    }


def _qualify(group: list[str], rows: dict[str, dict], objects: dict[str, list[str]]) -> dict[str, str]:
    """Add the type, then the objects of the entity's facts, until all titles of the group differ."""
    parts = {entity: [rows[entity]["type"]] if rows[entity]["type"] else [] for entity in group}
    for depth in range(DEEPEST):
        named = [(entity, _join(rows[entity]["label"], parts[entity])) for entity in group]
        for clashing in _group(named):
            told = {e: rows[objects[e][depth]]["label"] for e in clashing if depth < len(objects[e])}
            if len(clashing) > 1 and len(set(told.values())) > 1:
                for entity, label in told.items():
                    parts[entity].append(label)
    return {entity: _join(rows[entity]["label"], parts[entity]) for entity in group}


def _join(label: str, parts: list[str]) -> str:
    return f"{label} ({', '.join(parts)})" if parts else label
