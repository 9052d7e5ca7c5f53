"""The graph that ships with the project."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from data_contracts.contract import Mode
from data_contracts.graph import GRAPH
from lib.progress import Silent
from lib.settings.source import AtlasSource
from lib.sources.build import build_graph
from lib.sources.graph import load_graph


def test_the_atlas_fits_its_contract_and_is_large_enough(atlas: Path) -> None:
    tables = {contract.name: pq.read_table(atlas / f"{contract.name}.parquet") for contract in GRAPH.tables}
    for contract in GRAPH.tables:
        contract.check(tables[contract.name], mode=Mode.FREEZE)
    assert tables["entities"].num_rows >= 10_000
    assert tables["facts"].num_rows >= 25_000
    names = set(tables["attributes"]["name"].to_pylist())
    assert {"population", "area", "elevation", "latitude", "longitude", "year_of_discovery"} <= names
    assert tables["rejected_rows"].num_rows == 0


def test_the_atlas_knows_what_everybody_knows(atlas: Path) -> None:
    graph = load_graph(atlas)
    texts = dict(zip(graph.ids, graph.page_texts, strict=True))
    assert "Iceland uses the currency Iceland Krona." in texts["country:IS"].split("\n")
    assert "Iceland has the calling code +354." in texts["country:IS"].split("\n")
    assert "Reykjavík is the capital of Iceland." in texts["city:3413829"].split("\n")
    assert "Keflavik International Airport serves the city Reykjavík." in texts["airport:KEF"].split("\n")
    assert "Fluorine was discovered by Henri Moissan." in texts["element:F"].split("\n")
    assert "Portugal shares a border with Spain." in texts["country:PT"].split("\n")


def test_every_page_has_a_title_of_its_own_and_one_sentence_a_line(atlas: Path) -> None:
    pages = pq.read_table(atlas / "pages.parquet").to_pylist()
    titles = [page["title"].casefold() for page in pages]
    assert len(set(titles)) == len(titles)
    for page in pages:
        assert all(line.startswith(page["title"]) and line.endswith(".") for line in page["text"].split("\n")), page


def test_two_builds_of_the_atlas_are_equal_byte_for_byte(atlas: Path, tmp_path: Path) -> None:
    build_graph(AtlasSource(), out=tmp_path, progress=Silent())
    for contract in GRAPH.tables:
        name = f"{contract.name}.parquet"
        assert (tmp_path / name).read_bytes() == (atlas / name).read_bytes(), name


def test_every_relation_of_the_atlas_reads_well_both_ways(atlas: Path) -> None:
    for row in pq.read_table(atlas / "relations.parquet").to_pylist():
        for side in ("", "inverse_"):
            assert row[f"{side}phrase"] and row[f"{side}keywords"], row
            assert all("{x}" in noun and noun.startswith("the ") for noun in row[f"{side}nouns"]), row
            assert all("{x}" in text and text.endswith("?") for text in row[f"{side}questions"]), row
