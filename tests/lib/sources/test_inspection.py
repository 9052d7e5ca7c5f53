"""What is measured of a graph, on graphs small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pyarrow.parquet as pq
import pytest

from data_contracts.graph import INSPECTION
from lib.progress import Silent
from lib.settings.source import TriplesSource
from lib.sources import inspection
from lib.sources.build import build_graph


def _inspect(folder: Path, triples: list[tuple[str, str, str]], entities: dict[str, str] | None = None) -> dict:
    """Triples, and types by id of entities that the triples need not name."""
    (folder / "t.tsv").write_text("".join("\t".join(triple) + "\n" for triple in triples))
    (folder / "e.jsonl").write_text("\n".join(json.dumps({"id": k, "type": v}) for k, v in (entities or {}).items()))
    more = {"entities": folder / "e.jsonl"} if entities else {}
    build_graph(TriplesSource(type="triples", triples=folder / "t.tsv", **more), out=folder / "g", progress=Silent())
    table = pq.read_table(folder / "g" / "inspection.parquet")
    INSPECTION.check(table)
    (row,) = table.to_pylist()
    return row | {name: dict(row[name]) for name in ("entities_by_type", "degree_quantiles")}


def test_sizes_and_types_are_counted(tmp_path: Path) -> None:
    row = _inspect(tmp_path, [("a", "r", "b"), ("a", "s", "c")], {"a": "town", "b": "town", "c": "river", "d": "town"})
    assert (row["num_entities"], row["num_facts"], row["num_relations"], row["num_attributes"]) == (4, 2, 2, 0)
    assert list(row["entities_by_type"].items()) == [("town", 3), ("river", 1)]


def test_components_ignore_the_direction_of_facts(tmp_path: Path) -> None:
    row = _inspect(tmp_path, [("a", "r", "b"), ("c", "r", "b"), ("x", "r", "y")])
    assert (row["num_components"], row["largest_component_share"]) == (2, 3 / 5)


def test_an_entity_that_only_speaks_of_itself_is_isolated(tmp_path: Path) -> None:
    row = _inspect(tmp_path, [("a", "r", "b"), ("c", "r", "c")], {name: "" for name in "abcd"})
    assert row["isolated_share"] == 2 / 4
    assert row["num_components"] == 3


def test_reach_counts_the_other_entities_within_so_many_hops(tmp_path: Path) -> None:
    row = _inspect(tmp_path, [(str(i), "next", str(i + 1)) for i in range(6)])
    chain = nx.path_graph(7)
    for hops in (2, 4):
        within = [len(nx.ego_graph(chain, node, radius=hops)) - 1 for node in chain]
        assert row[f"reach_{hops}_hops"] == pytest.approx(sum(within) / 7 / 6)


def test_functional_relations_lead_to_one_entity_from_everywhere(tmp_path: Path) -> None:
    triples = [("a", "capital", "x"), ("b", "capital", "y"), ("a", "border", "b"), ("a", "border", "c")]
    triples += [("x", "in", "a"), ("z", "in", "a")]
    assert _inspect(tmp_path, triples)["functional_relations"] == ["~border", "capital", "~capital", "in"]


def test_degrees_count_facts_in_and_out(tmp_path: Path) -> None:
    row = _inspect(tmp_path, [("hub", "r", str(i)) for i in range(99)])
    assert row["degree_quantiles"] == {"min": 1, "25 %": 1, "50 %": 1, "75 %": 1, "90 %": 1, "99 %": 1, "max": 99}


def test_a_large_graph_is_sampled_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = []

    def count(links: nx.Graph, start: int, *, cutoff: int) -> dict[int, int]:
        starts.append(start)
        return {start: 0}

    monkeypatch.setattr(inspection.nx, "single_source_shortest_path_length", count)
    monkeypatch.setattr(inspection, "MOST_VISITS", 99 * 2 * 7)
    _inspect(tmp_path, [(str(i), "next", str(i + 1)) for i in range(99)])
    assert len(starts) == inspection.MOST_VISITS // 199 == 6
