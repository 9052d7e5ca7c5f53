"""What the sources of a run read like, for a policy that learns its tokens from scratch."""

from __future__ import annotations

from pathlib import Path

import duckdb

from lib.errors import PolicyError
from lib.sources.images.image_set import ImageStore
from lib.sources.sql.database_set import load_databases
from lib.sources.sql.outline import tell_table
from lib.synthesis.vision.captions import caption_of

# Enough text for a thousand stable merges; more only takes longer (about a second a million characters).
MAX_CHARACTERS = 1_000_000


def source_texts(*, graph: Path | None = None, databases: Path | None = None, images: Path | None = None) -> list[str]:
    """Pages of a graph, tables of databases and captions of images; raises PolicyError where there is none of them."""
    texts = _pages(graph / "pages.parquet") if graph else []
    if databases:
        texts += [tell_table(table, database) for database in load_databases(databases) for table in database.tables]
    if images:
        texts += [f"Picture 1: {caption_of(picture)}" for picture in ImageStore(images).pictures()]
    if not texts:
        raise PolicyError("The sources have no texts to learn tokens from.", next_step="add pages, tables or images")
    return texts


def _pages(path: Path) -> list[str]:
    """Titles and texts of evenly spread pages, about ``MAX_CHARACTERS`` characters in all."""
    query = """
        with numbered as (
            select title || chr(10) || text as text, row_number() over (order by id) as place from read_parquet($pages)
        ),
        spread as (select greatest(1, ceil(sum(length(text)) / $most))::bigint as stride from numbered)
        select text from numbered, spread where place % stride = 1 % stride order by place
    """
    try:
        rows = duckdb.execute(query, {"pages": str(path), "most": MAX_CHARACTERS}).fetchall()
    except duckdb.Error as error:
        raise PolicyError(
            "The pages from which the tokens are learned cannot be read.",
            where=str(path),
            next_step="rerun the source",
        ) from error
    return [text for (text,) in rows]
