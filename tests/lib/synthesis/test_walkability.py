"""A warning where a graph has hardly any walk of the wanted length."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from lib.progress import Silent
from lib.settings.source import TriplesSource
from lib.settings.synthesis import SynthesisSettings
from lib.sources.build import build_graph
from lib.sources.graph import load_graph
from lib.synthesis.knowledge.walkability import warn_of_short_walks


def _warn(folder: Path, triples: list[tuple[str, str, str]], caplog: pytest.LogCaptureFixture, **values: object) -> str:
    (folder / "t.jsonl").write_text("\n".join(map(json.dumps, triples)))
    build_graph(TriplesSource(type="triples", triples=folder / "t.jsonl"), out=folder / "g", progress=Silent())
    settings = SynthesisSettings.model_validate(values)
    logging.getLogger("ropewalk").propagate = True
    caplog.clear()
    warn_of_short_walks(load_graph(folder / "g"), settings, inspection=folder / "g" / "inspection.parquet", seed=0)
    return caplog.text


PAIRS = [(f"a{i}", "r", f"b{i}") for i in range(50)]
RING = [(f"a{i}", "next", f"a{(i + 1) % 50}") for i in range(50)]
# Two steps lead from a leaf up to the root; a third one goes down to one of several.
TREE = [(f"hub{i % 5}", "r", f"a{i}") for i in range(400)] + [("root", "s", f"hub{i}") for i in range(5)]


def test_a_graph_of_pairs_has_no_walk_of_three_steps(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = _warn(tmp_path, PAIRS, caplog, max_hops=3, answer="entity")
    assert "50 components" in told and "2.0% of 100 entities" in told and "synthesis.max_hops=3" in told


def test_a_ring_has_walks_of_every_length(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert _warn(tmp_path, RING, caplog, max_hops=8) == ""


def test_short_questions_can_be_asked_of_pairs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert _warn(tmp_path, PAIRS, caplog, max_hops=1) == ""


def test_steps_that_branch_ask_for_clues(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = _warn(tmp_path, TREE, caplog, max_hops=3, answer="entity")
    assert "synthesis.extra_clues" in told and "components" not in told
    assert _warn(tmp_path, TREE, caplog, max_hops=2, answer="entity") == ""


def test_more_clues_are_no_remedy_where_clues_are_allowed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wide = [(f"hub{i % 2}", "r", f"a{i}") for i in range(200)] + [("root", "s", "hub0"), ("root", "s", "hub1")]
    told = _warn(tmp_path, wide, caplog, max_hops=4, answer="entity", extra_clues=2)
    assert "lower synthesis.max_hops" in told and "raise synthesis.extra_clues" not in told
