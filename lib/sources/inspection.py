"""What a graph is like: its size, how far its entities lie apart, and what a walk can expect of it.

In: the tables of a graph. Out: the one row of the table ``inspection``. Distances and components are
found by networkx over the undirected graph of entities, in which several facts between two entities are
one edge; it takes some 250 bytes an edge and is gone when the row is made.
"""

from __future__ import annotations

import random

import duckdb
import networkx as nx
import numpy as np
import pyarrow as pa

from data_contracts.graph import INSPECTION

MOST_TYPES = 30  # counted one by one; a graph with more of them is not understood from a list
QUANTILES = {"min": 0.0, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "90 %": 0.9, "99 %": 0.99, "max": 1.0}
NEAR, FAR = 2, 4  # hops
MOST_STARTS, LEAST_STARTS = 40, 5  # entities from which reach is measured
# Edges looked at while reach is measured, whatever the size of the graph; 10 million take about 2 s.
MOST_VISITS = 10_000_000
SAMPLE_SEED = 0


class _Links(nx.Graph):
    """A graph whose edges say nothing, so that all share one dict."""

    _nothing: dict = {}

    def edge_attr_dict_factory(self) -> dict:  # type: ignore[override]
        return self._nothing


def inspect_graph(tables: dict[str, pa.Table]) -> pa.Table:
    """The measures of a graph with at least one fact; the same tables give the same row."""
    codes = {entity: code for code, entity in enumerate(tables["entities"]["id"].to_pylist())}
    heads, tails = (_code(tables["facts"][name], codes) for name in ("subject_id", "object_id"))
    degrees = np.bincount(np.concatenate([heads, tails]), minlength=len(codes))
    row = {
        "num_entities": len(codes),
        "num_facts": tables["facts"].num_rows,
        "num_attributes": tables["attributes"].num_rows,
        "num_relations": tables["relations"].num_rows,
        "entities_by_type": _count_types(tables["entities"]),
        "functional_relations": _functional_relations(tables["facts"]),
        "degree_quantiles": {
            name: int(np.quantile(degrees, share, method="lower")) for name, share in QUANTILES.items()
        },
        **_measure_connection(_link(heads, tails, len(codes))),
    }
    return pa.Table.from_pylist([row], schema=INSPECTION.schema)


def _code(ids: pa.ChunkedArray, codes: dict[str, int]) -> np.ndarray:  # [num_facts]
    return np.fromiter((codes[entity] for entity in ids.to_pylist()), dtype=np.int64, count=len(ids))


def _count_types(entities: pa.Table) -> dict[str, int]:
    counts = entities["type"].value_counts().to_pylist()
    counts.sort(key=lambda pair: (-pair["counts"], pair["values"]))
    return {pair["values"]: pair["counts"] for pair in counts[:MOST_TYPES]}


def _functional_relations(facts: pa.Table) -> list[str]:
    """Relations along which no entity has two others, and with "~" those against which none has."""
    with duckdb.connect() as connection:
        connection.register("facts", facts)
        rows = connection.sql(
            """WITH steps AS (
                   SELECT relation, subject_id AS here, object_id AS there FROM facts
                   UNION ALL SELECT '~' || relation, object_id, subject_id FROM facts
               ), fans AS (SELECT relation, here, count(DISTINCT there) AS fan FROM steps GROUP BY ALL)
               SELECT relation FROM fans GROUP BY relation HAVING max(fan) = 1
               ORDER BY ltrim(relation, '~'), relation"""
        ).fetchall()
    return [relation for (relation,) in rows]


def _link(heads: np.ndarray, tails: np.ndarray, num_entities: int) -> nx.Graph:
    """A fact of an entity about itself links nothing."""
    links = _Links()
    links.add_nodes_from(range(num_entities))
    apart = heads != tails
    links.add_edges_from(zip(heads[apart].tolist(), tails[apart].tolist(), strict=True))
    return links


def _measure_connection(links: nx.Graph) -> dict[str, float]:
    sizes = [len(component) for component in nx.connected_components(links)]
    near, far = _measure_reach(links)
    return {
        "isolated_share": nx.number_of_isolates(links) / len(links),
        "num_components": len(sizes),
        "largest_component_share": max(sizes) / len(links),
        "reach_2_hops": near,
        "reach_4_hops": far,
    }


def _measure_reach(links: nx.Graph) -> tuple[float, float]:
    """Mean shares of the other entities that lie within NEAR and FAR hops of sampled ones."""
    affordable = MOST_VISITS // (2 * links.number_of_edges() + 1)
    size = min(len(links), max(LEAST_STARTS, min(MOST_STARTS, affordable)))
    starts = random.Random(SAMPLE_SEED).sample(range(len(links)), size)
    others = max(1, len(links) - 1)
    reached = np.zeros((size, 2))
    for i, start in enumerate(starts):
        distances = np.fromiter(nx.single_source_shortest_path_length(links, start, cutoff=FAR).values(), dtype=int)
        reached[i] = ((distances <= NEAR).sum() - 1, len(distances) - 1)
    near, far = (reached / others).mean(axis=0)
    return float(near), float(far)
