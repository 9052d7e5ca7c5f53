"""Graphs to make questions from: the atlas, and a made-up world of towns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lib.progress import Silent
from lib.settings.source import AtlasSource, TriplesSource
from lib.settings.synthesis import SynthesisSettings
from lib.sources.build import build_graph
from lib.synthesis.judge import Judge
from lib.synthesis.knowledge.synthesize import synthesize
from lib.synthesis.question_set import write_question_set

Questions = list[dict]


@pytest.fixture(scope="session")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("atlas")
    build_graph(AtlasSource(), out=out, progress=Silent())
    return out


@pytest.fixture(scope="session")
def towns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 countries in a ring, each with a capital, a money and five towns; some labels are unruly."""
    folder = tmp_path_factory.mktemp("towns")
    triples, entities = [], []
    for i in range(60):
        country, capital, money = f"c{i}", f"k{i}", f"m{i}"
        label = f'Land "{i}"' if i % 7 else f"<b>أرض {i}</b>"
        entities.append({"id": country, "label": label, "type": "country", "calling_code": f"+{500 + i}"})
        entities.append({"id": capital, "label": f"Burg Kap{i}", "type": "town", "population": 1000 * (i + 1)})
        entities.append({"id": money, "label": f"Taler{i}zz", "type": "money", "year_founded": 1700 + i})
        triples += [
            (country, "capital", capital),
            (country, "currency", money),
            (country, "next to", f"c{(i + 1) % 60}"),
        ]
        for j in range(5):
            entities.append(
                {"id": f"t{i}-{j}", "label": f"Dorf{i}x{j}", "type": "town", "population": 100 * (i + j) + 7}
            )
            triples.append((f"t{i}-{j}", "located in country", country))
    (folder / "t.tsv").write_text("\n".join("\t".join(row) for row in triples))
    (folder / "e.jsonl").write_text("\n".join(json.dumps(row) for row in entities))
    source = TriplesSource(type="triples", triples=folder / "t.tsv", entities=folder / "e.jsonl")
    build_graph(source, out=folder / "graph", progress=Silent())
    return folder / "graph"


@pytest.fixture
def make_questions(tmp_path: Path) -> Callable[..., tuple[Questions, list[dict]]]:
    """(graph, seed, settings by name) -> rows of questions and of the funnel."""

    def make(graph: Path, *, seed: int = 0, judge: Judge | None = None, scratch: Path | None = None, **values: object):
        out = tmp_path / f"questions-{len(list(tmp_path.iterdir()))}"
        settings = SynthesisSettings.model_validate(values)
        made = synthesize(settings, graph=graph, seed=seed, progress=Silent(), judge=judge, scratch=scratch)
        write_question_set({"knowledge": made}, out)
        return tuple(pq.read_table(out / f"{name}.parquet").to_pylist() for name in ("questions", "funnel"))

    return make
