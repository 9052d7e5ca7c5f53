"""A graph as a reader delivers it, before it is written down as tables.

In: rows that a reader adds one by one. Out: Arrow tables that fit the contracts of a graph.
Repeated facts and attributes are kept once. This file does not know where rows come from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from data_contracts.graph import ATTRIBUTES, ENTITIES, FACTS, PAGES, REJECTED_ROWS, RELATIONS
from lib.sources.wording import RelationWording, derive_wording, name_types

# How the id of a blank node of RDF begins: a thing that is told of without a name.
BLANK = "_:"


@dataclass
class RawGraph:
    """Facts, entities and what is said about them, in the order in which they came."""

    facts: dict[tuple[str, str, str], None] = field(default_factory=dict)
    entities: dict[str, dict] = field(default_factory=dict)
    attributes: dict[tuple[str, str], dict] = field(default_factory=dict)
    wording: dict[str, RelationWording] = field(default_factory=dict)
    pages: list[dict] = field(default_factory=list)
    rejected: list[dict] = field(default_factory=list)

    def add_entity(self, entity_id: str, label: str, type_: str, aliases: list[str] | None = None) -> None:
        others = [alias for alias in dict.fromkeys(aliases or []) if alias and alias != label]
        self.entities[entity_id] = {"id": entity_id, "label": label, "type": type_, "aliases": others}

    def add_fact(self, subject_id: str, relation: str, object_id: str) -> None:
        self.facts[(subject_id, relation, object_id)] = None

    def add_attribute(self, entity_id: str, name: str, value: object, *, kind: str, unit: str | None = None) -> None:
        """Note a value; None and empty texts are left out. Kinds: number, year, boolean, text."""
        if value is None or value == "":
            return
        row = {"entity_id": entity_id, "name": name, "kind": kind, "number": None, "text": None, "unit": unit}
        row["text" if kind == "text" else "number"] = str(value) if kind == "text" else float(value)  # type: ignore[arg-type]
        self.attributes[(entity_id, name)] = row

    def reject(self, file: str, line: int, content: str, reason: str) -> None:
        self.rejected.append({"file": file, "line": line, "content": content[:500], "reason": reason})

    def drop_facts_without_entities(self) -> int:
        """Remove facts whose subject or object is unknown; return how many went."""
        kept = {fact: None for fact in self.facts if fact[0] in self.entities and fact[2] in self.entities}
        dropped, self.facts = len(self.facts) - len(kept), kept
        return dropped

    def tables(self) -> dict[str, pa.Table]:
        """The graph's tables by name, all but the pages written from facts."""
        subjects, relations, objects = zip(*self.facts, strict=True) if self.facts else ((), (), ())
        facts = pa.table([list(subjects), list(relations), list(objects)], schema=FACTS.schema)
        return {
            "facts": facts,
            "entities": pa.Table.from_pylist(list(self.entities.values()), schema=ENTITIES.schema),
            "attributes": pa.Table.from_pylist(list(self.attributes.values()), schema=ATTRIBUTES.schema),
            "relations": self._relations(),
            "pages": pa.Table.from_pylist(self.pages, schema=PAGES.schema),
            "rejected_rows": pa.Table.from_pylist(self.rejected, schema=REJECTED_ROWS.schema),
        }

    def _relations(self) -> pa.Table:
        counts: dict[str, int] = {}
        for _, relation, _ in self.facts:
            counts[relation] = counts.get(relation, 0) + 1
        rows = [self._word(relation).row() | {"num_facts": count} for relation, count in sorted(counts.items())]
        return pa.Table.from_pylist(rows, schema=RELATIONS.schema)

    def _word(self, relation: str) -> RelationWording:
        wording = self.wording.get(relation) or derive_wording(relation)
        return name_types(wording, *self._end_types.get(relation, ("", "")))

    @cached_property
    def _end_types(self) -> dict[str, tuple[str, str]]:
        """Relation -> the one type of its subjects and of its objects, "" where there are several."""
        found: dict[str, tuple[set[str], set[str]]] = {}
        for subject, relation, target in self.facts:
            subjects, targets = found.setdefault(relation, (set(), set()))
            subjects.add(self.entities[subject]["type"])
            targets.add(self.entities[target]["type"])
        return {
            relation: tuple(types.copy().pop() if len(types) == 1 else "" for types in ends)  # type: ignore[misc]
            for relation, ends in found.items()
        }
