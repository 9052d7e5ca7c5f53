"""A graph artifact in memory, coded as integers.

In: the directory of a graph artifact. Out: adjacency both ways in compressed sparse rows, entities,
attributes and pages. A step is coded ``2 * relation`` along the arrow and ``2 * relation + 1``
against it; a relation that reads the same both ways has only the first. Entities are known by their
position in the table.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lib.errors import ArtifactError
from lib.sources.raw_graph import BLANK
from lib.sources.titles import one_line


@dataclass(frozen=True)
class Adjacency:
    """Steps out of every node: those of node ``i`` stand at ``offsets[i]:offsets[i + 1]``."""

    offsets: np.ndarray  # [num_nodes + 1]
    steps: np.ndarray  # [num_steps], coded relation and direction
    targets: np.ndarray  # [num_steps]
    fan_out: np.ndarray  # [num_steps], targets that the same step has from the same node

    @property
    def num_nodes(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def sources(self) -> np.ndarray:  # [num_steps]
        return np.repeat(np.arange(self.num_nodes, dtype=np.int32), np.diff(self.offsets))

    def keep(self, mask: np.ndarray) -> Adjacency:
        """The adjacency with only the steps of ``mask`` [num_steps]; fan-outs stay those of the whole."""
        counts = np.bincount(self.sources[mask], minlength=self.num_nodes)
        offsets = np.concatenate([[0], np.cumsum(counts)])
        return Adjacency(offsets, self.steps[mask], self.targets[mask], self.fan_out[mask])

    def follow(self, node: int, step: int) -> np.ndarray:
        """All nodes that ``step`` reaches from ``node``."""
        low, high = self.offsets[node], self.offsets[node + 1]
        left, right = np.searchsorted(self.steps[low:high], [step, step + 1])
        return self.targets[low + left : low + right]


@dataclass(frozen=True)
class KnowledgeGraph:
    """Everything that synthesis reads of a graph."""

    ids: list[str]
    labels: list[str]
    titles: list[str]  # on one line; the title of the entity's page, or its label without one
    types: list[str]
    aliases: list[list[str]]
    relations: list[dict]  # rows of the table, with a list for every kind of phrase
    adjacency: Adjacency
    attributes: list[dict]  # rows of the table, sorted by entity
    attribute_offsets: np.ndarray  # [num_entities + 1], as in Adjacency
    page_ids: list[str]  # per entity, "" without a page
    page_texts: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def attributes_of(self, node: int) -> list[dict]:
        return self.attributes[self.attribute_offsets[node] : self.attribute_offsets[node + 1]]

    @cached_property
    def degrees(self) -> np.ndarray:  # [num_entities], steps in and out
        return np.diff(self.adjacency.offsets)

    @cached_property
    def shared_titles(self) -> frozenset[str]:
        """Titles, case-folded, that several entities have, as pages that somebody else wrote may."""
        counts = Counter(title.casefold() for title in self.titles)
        return frozenset(title for title, count in counts.items() if count > 1)

    @cached_property
    def unnamed(self) -> np.ndarray:  # [num_entities]
        """True for blank nodes of RDF to which nobody gave a label."""
        named = zip(self.ids, self.labels, strict=True)
        return np.array([entity.startswith(BLANK) and label == entity for entity, label in named], dtype=bool)

    def step_name(self, step: int) -> str:
        """The relation, after "~" for a step against the arrow."""
        return ("~" if step % 2 else "") + self.relations[step // 2]["relation"]

    def reverse(self, step: int) -> int:
        """The step that leads back."""
        row = self.relations[step // 2]
        return step if row["phrase"] == row["inverse_phrase"] else step ^ 1

    def phrase(self, step: int) -> str:
        """The verb phrase from the entity at which the step begins: "has the capital"."""
        return self.relations[step // 2]["inverse_phrase" if step % 2 else "phrase"]

    def wording(self, step: int) -> tuple[list[str], list[str], str]:
        """Noun phrases, questions and key words of a step."""
        row, side = self.relations[step // 2], "inverse_" if step % 2 else ""
        return row[f"{side}nouns"], row[f"{side}questions"], row[f"{side}keywords"]


def load_graph(directory: Path) -> KnowledgeGraph:
    """Read a graph artifact; raises ArtifactError for a table that is missing or unreadable."""
    entities, relations = _read(directory, "entities").to_pydict(), _read(directory, "relations").to_pylist()
    ids = entities["id"]
    attributes, offsets = _load_attributes(directory, ids)
    page_ids, titles, texts = _load_pages(directory, ids, entities["label"])
    return KnowledgeGraph(
        ids=ids,
        labels=entities["label"],
        titles=titles,
        types=entities["type"],
        aliases=entities["aliases"],
        relations=relations,
        adjacency=build_adjacency(*_code_facts(directory, relations), len(ids), _symmetric(relations)),
        attributes=attributes,
        attribute_offsets=offsets,
        page_ids=page_ids,
        page_texts=texts,
    )


def build_adjacency(
    heads: np.ndarray, relations: np.ndarray, tails: np.ndarray, num_nodes: int, symmetric: np.ndarray
) -> Adjacency:
    """Both directions of every fact, sorted by (source, step, target), each once.

    Args:
        heads, relations, tails: codes, each [num_facts].
        symmetric: [num_relations], true where both directions read the same.
    """
    backward = 2 * relations + np.where(symmetric[relations], 0, 1)
    sources = np.concatenate([heads, tails])
    steps = np.concatenate([2 * relations, backward]).astype(np.int32)
    targets = np.concatenate([tails, heads])
    order = np.lexsort((targets, steps, sources))
    sources, steps, targets = sources[order], steps[order], targets[order]
    same_step = (np.diff(sources) == 0) & (np.diff(steps) == 0)
    keep = np.concatenate([[True], ~(same_step & (np.diff(targets) == 0))])[: len(sources)]
    sources, steps, targets = sources[keep], steps[keep], targets[keep]
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(sources) != 0) | (np.diff(steps) != 0)])[: len(sources)])
    lengths = np.diff(np.append(starts, len(sources)))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sources, minlength=num_nodes))])
    return Adjacency(offsets, steps, targets.astype(np.int32), np.repeat(lengths, lengths).astype(np.int32))


def _read(directory: Path, table: str) -> pa.Table:
    path = directory / f"{table}.parquet"
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ArtifactError(
            f"The graph's table {table!r} cannot be read: {error}",
            where=str(path),
            next_step="Build the graph again: `ropewalk run --force source`.",
        ) from error


def _symmetric(relations: list[dict]) -> np.ndarray:
    return np.array([row["phrase"] == row["inverse_phrase"] for row in relations], dtype=bool)


def _code_facts(directory: Path, relations: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heads, relations and tails as positions in their tables; facts about unknown entities are left out."""
    facts, entities = _read(directory, "facts"), _read(directory, "entities").select(["id"])
    entities = entities.append_column("code", pa.array(range(entities.num_rows), pa.int32()))
    names = pa.table({"relation": [row["relation"] for row in relations], "code": range(len(relations))})
    with duckdb.connect() as connection:
        connection.register("facts", facts)
        connection.register("entities", entities)
        connection.register("names", names)
        coded = connection.sql(
            "SELECT h.code AS head, n.code::INTEGER AS relation, t.code AS tail FROM facts f "
            "JOIN entities h ON h.id = f.subject_id JOIN entities t ON t.id = f.object_id "
            "JOIN names n ON n.relation = f.relation ORDER BY head, relation, tail"
        ).fetchnumpy()
    return tuple(np.asarray(coded[name], dtype=np.int32) for name in ("head", "relation", "tail"))  # type: ignore[return-value]


def _load_attributes(directory: Path, ids: list[str]) -> tuple[list[dict], np.ndarray]:
    positions = {entity: i for i, entity in enumerate(ids)}
    rows = [row for row in _read(directory, "attributes").to_pylist() if row["entity_id"] in positions]
    owners = np.array([positions[row["entity_id"]] for row in rows], dtype=np.int64)
    order = np.argsort(owners, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(ids)))])
    return [rows[i] for i in order], offsets


def _load_pages(directory: Path, ids: list[str], labels: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Per entity its page's id, title and text; of several pages the first counts."""
    pages = _read(directory, "pages").to_pydict()
    rows = dict(
        reversed(
            list(zip(pages["entity_id"], zip(pages["id"], pages["title"], pages["text"], strict=True), strict=True))
        )
    )
    found = [rows.get(entity, ("", label, "")) for entity, label in zip(ids, labels, strict=True)]
    return [row[0] for row in found], [one_line(row[1]) for row in found], [row[2] for row in found]
