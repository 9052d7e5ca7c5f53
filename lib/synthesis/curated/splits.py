"""A split for every question that has none, so that training and held-out questions share nothing.

In: rows with their answers, entities and evidence. Out: the rows, each with a split. Questions that share an
answer, an entity or all of their evidence stay together; what is given stays as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence

import networkx as nx

from data_contracts.questions import SPLITS
from lib.settings.synthesis import SynthesisSettings


def assign_missing_splits(rows: Sequence[dict]) -> None:
    """Fill in ``split``; the shares are those of a synthesis, as nearly as groups allow."""
    if all(row["split"] for row in rows):
        return
    shares = _shares()
    counts = dict.fromkeys(SPLITS, 0)
    for row in rows:
        if row["split"] in counts:
            counts[row["split"]] += 1
    for group in _groups(rows):
        given = [rows[i]["split"] for i in group if rows[i]["split"]]
        free = [i for i in group if not rows[i]["split"]]
        split = given[0] if given else max(SPLITS, key=lambda name: shares[name] * len(rows) - counts[name])
        for i in free:
            rows[i]["split"] = split
        counts[split] = counts.get(split, 0) + len(free)


def count_shared(rows: Sequence[dict]) -> int:
    """Entities and chains of evidence that both a training and a held-out question have."""
    sides: dict[Hashable, set[bool]] = {}
    for row in rows:
        for key in _entities_and_evidence(row):
            sides.setdefault(key, set()).add(row["split"] == "train")
    return sum(len(found) == 2 for found in sides.values())


def _shares() -> dict[str, float]:
    settings = SynthesisSettings()
    held_out = {"validation": settings.validation_share, "test": settings.test_share}
    return {"train": 1 - sum(held_out.values()), **held_out}


def _groups(rows: Sequence[dict]) -> list[list[int]]:
    """Positions of rows that belong together; large groups first, equal ones by a hash of their ids."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(rows)))
    for i, row in enumerate(rows):
        keys = [("answer", row["answer"].strip().casefold()), *_entities_and_evidence(row)]
        graph.add_edges_from((i, key) for key in keys)
    groups = [sorted(n for n in part if isinstance(n, int)) for part in nx.connected_components(graph)]
    return sorted(groups, key=lambda group: (-len(group), _hash(rows[i]["id"] for i in group)))


def _entities_and_evidence(row: dict) -> list[tuple]:
    facts = tuple((item["page_id"], item["fact"]) for item in row["evidence"])
    return [("entity", name) for name in row["source_ids"]] + ([("evidence", facts)] if facts else [])


def _hash(ids) -> str:
    return hashlib.sha256("\x1f".join(sorted(ids)).encode()).hexdigest()
