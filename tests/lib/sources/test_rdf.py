"""Graphs in RDF."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lib.errors import SourceError
from lib.progress import Silent
from lib.settings.source import RdfSource
from lib.sources.build import build_graph

TRIPLES = """<http://x.org/Bern> <http://x.org/capitalOf> <http://x.org/Switzerland> .
<http://x.org/Bern> <http://www.w3.org/2000/01/rdf-schema#label> "Bern"@en .
<http://x.org/Bern> <http://www.w3.org/2000/01/rdf-schema#label> "Berne"@fr .
<http://x.org/Bern> <http://www.w3.org/2004/02/skos/core#altLabel> "Bundesstadt" .
<http://x.org/Bern> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <http://x.org/City> .
<http://x.org/Bern> <http://x.org/population> "134000"^^<http://www.w3.org/2001/XMLSchema#integer> .
<http://x.org/Bern> <http://x.org/inception> "1191-05-01"^^<http://www.w3.org/2001/XMLSchema#date> .
"""


def _build(out: Path, path: Path, **more: str) -> dict[str, list[dict]]:
    build_graph(RdfSource(type="rdf", path=path, **more), out=out, progress=Silent())
    return {item.stem: pq.read_table(item).to_pylist() for item in out.glob("*.parquet")}


@pytest.mark.parametrize("name", ["g.nt", "g.ttl", "g.nt.gz"])
def test_statements_become_facts_entities_and_attributes(tmp_path: Path, name: str) -> None:
    data = TRIPLES.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    tables = _build(tmp_path / "out", tmp_path / name)
    assert len(tables["facts"]) == 1
    bern = next(row for row in tables["entities"] if row["id"] == "http://x.org/Bern")
    assert (bern["label"], bern["type"], bern["aliases"]) == ("Bern", "city", ["Bundesstadt"])
    found = {row["name"]: (row["kind"], row["number"]) for row in tables["attributes"]}
    assert found == {"population": ("number", 134000.0), "inception": ("year", 1191.0)}


def test_the_preferred_language_decides_the_label(tmp_path: Path) -> None:
    (tmp_path / "g.nt").write_text(TRIPLES)
    tables = _build(tmp_path / "out", tmp_path / "g.nt", language="fr")
    assert "Berne" in {row["label"] for row in tables["entities"]}


def test_a_broken_line_of_n_triples_is_set_aside_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "g.nt").write_text(TRIPLES + "<http://x.org/a> nonsense .\n")
    tables = _build(tmp_path / "out", tmp_path / "g.nt")
    assert [(row["line"], row["reason"][:13]) for row in tables["rejected_rows"]] == [(8, "not N-Triples")]
    assert len(tables["facts"]) == 1


def test_broken_turtle_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "g.ttl").write_text("@prefix : <http://x.org/> . :a :b")
    with pytest.raises(SourceError, match="g.ttl"):
        _build(tmp_path / "out", tmp_path / "g.ttl")


BLANK = """@prefix : <http://x.org/> .
:Ann :lives [ :city :Bern ; :street "Gasse" ] .
:Bob :lives _:home . _:home :city :Bern ; :next _:other . _:other :city :Basel .
:Basel :list (:a :b) .
"""
BLANK_XML = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://x.org/">
<rdf:Description rdf:about="http://x.org/Ann"><lives rdf:parseType="Resource"><city rdf:resource="http://x.org/Bern"/>
</lives></rdf:Description></rdf:RDF>"""

PROGRAM = """
import sys
from pathlib import Path
from lib.progress import Silent
from lib.settings.source import RdfSource
from lib.sources.build import build_graph
build_graph(RdfSource(type="rdf", path=sys.argv[1]), out=Path(sys.argv[2]), progress=Silent())
"""


@pytest.mark.parametrize(("name", "text"), [("g.ttl", BLANK), ("g.rdf", BLANK_XML)])
def test_blank_nodes_have_the_same_names_each_time(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    digests = set()
    for hash_seed in ("1", "2"):  # of texts in sets, which differs between runs of Python
        out = tmp_path / f"out{hash_seed}"
        command = [sys.executable, "-c", PROGRAM, str(tmp_path / name), str(out)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": hash_seed})
        digests.add(tuple((out / f"{table}.parquet").read_bytes() for table in ("facts", "entities", "pages")))
    assert len(digests) == 1


def test_blank_nodes_of_n_triples_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "g.nt").write_text(TRIPLES + "_:home <http://x.org/city> <http://x.org/Bern> .\n")
    tables = _build(tmp_path / "out", tmp_path / "g.nt")
    assert "_:home" in {row["id"] for row in tables["entities"]}
