"""Settings of a source -> the tables of a graph artifact.

Each kind of source has a reader that returns a RawGraph; the rest is the same for all: wording,
pages, an inspection, and Parquet files in the empty directory ``out``.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.graph import GRAPH
from lib.errors import SourceError
from lib.progress import Progress
from lib.settings.source import AtlasSource, RdfSource, SourceSettings, TriplesSource
from lib.sources.atlas.atlas import read_atlas
from lib.sources.inspection import inspect_graph
from lib.sources.pages import write_pages
from lib.sources.raw_graph import RawGraph
from lib.sources.rdf import read_rdf
from lib.sources.triples import read_triples

STEPS = 3


def build_graph(settings: SourceSettings, *, out: Path, progress: Progress) -> None:
    """Write the tables of the kind ``graph`` into ``out``.

    Raises SourceError for a file that cannot be read and for a graph without a single fact; rows
    that do not fit stand in ``rejected_rows`` with their file and line.
    """
    progress.update(0, STEPS, "reading")
    graph = _read(settings)
    if not graph.facts:
        raise SourceError(
            "The graph has no facts.",
            where=_describe(settings),
            kept=f"{len(graph.rejected)} rows were set aside; the first: {graph.rejected[0]}" if graph.rejected else "",
            next_step="Give a file with at least one row of (head, relation, tail).",
        )
    progress.update(1, STEPS, f"{len(graph.entities):,} entities, {len(graph.facts):,} facts")
    tables = graph.tables()
    if tables["pages"].num_rows == 0:
        tables["pages"] = write_pages(tables)
    tables["inspection"] = inspect_graph(tables)
    progress.update(2, STEPS, f"{tables['pages'].num_rows:,} pages")
    write_tables(tables, out)
    progress.update(STEPS, STEPS, f"{len(graph.rejected):,} rows set aside")


def write_tables(tables: dict[str, pa.Table], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for contract in GRAPH.tables:
        pq.write_table(tables[contract.name], out / f"{contract.name}.parquet")


READERS = {AtlasSource: lambda settings: read_atlas(), TriplesSource: read_triples, RdfSource: read_rdf}


def _read(settings: SourceSettings) -> RawGraph:
    return READERS[type(settings)](settings)


def _describe(settings: SourceSettings) -> str:
    if isinstance(settings, TriplesSource):
        return str(settings.triples)
    return str(settings.path) if isinstance(settings, RdfSource) else settings.type
