"""The pages on which the evidence of hand-made questions stands.

In: a graph artifact and steps of evidence. Out: the steps with what their pages tell, and what is wrong with them.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq


class Pages:
    """The pages of a graph, by id and by title."""

    def __init__(self, graph: Path):
        rows = pq.read_table(graph / "pages.parquet").to_pylist()
        self._by_id = {row["id"]: row for row in rows}
        self._by_title = {row["title"]: row for row in rows}

    def complete(self, step: dict) -> str:
        """Fill in the step's page id and title; return what is wrong with it, or ""."""
        page = self._by_id.get(step["page_id"]) if step["page_id"] else self._by_title.get(step["title"])
        if page is None:
            return f"the graph has no page {step['page_id'] or step['title']!r}"
        step["page_id"], step["title"] = page["id"], page["title"]
        if step["fact"] not in page["text"]:
            return f"the page {page['title']!r} does not say {step['fact']!r}"
        return ""

    def entity_of(self, page_id: str) -> str | None:
        """The entity that a page is about."""
        return self._by_id[page_id]["entity_id"] if page_id in self._by_id else None
