"""Where the graph's pages say what a question needs, one look-up after the other.

In: a path. Out: for each look-up the page, a query made from what is known by then, the sentence as
the page writes it and what it gives. A path with a look-up that no page tells has no evidence.
"""

from __future__ import annotations

import re

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import attribute_words, format_value
from lib.synthesis.knowledge.paths import Path, answer_of


def gather_evidence(graph: KnowledgeGraph, path: Path) -> list[dict] | None:
    """Rows of the contract's evidence, or None where a fact stands on no page."""
    rows = []
    answer, _ = answer_of(graph, path)
    for i, step in enumerate(path.steps):
        known, found = path.nodes[i], path.nodes[i + 1]
        keywords = graph.wording(step)[2]
        value = graph.titles[found] if i + 1 < path.num_lookups else answer
        row = _look_up(graph, known, keywords, value) or _look_up(graph, found, keywords, value, mention=known)
        if row is None:
            return None
        rows.append(row | {"query": f"{graph.titles[known]} {keywords}", "value": value})
    if path.attribute is not None:
        known, keywords = path.nodes[-1], attribute_words(path.attribute["name"])
        row = _look_up(graph, known, keywords, format_value(path.attribute))
        if row is None:
            return None
        rows.append(row | {"query": f"{graph.titles[known]} {keywords}", "value": answer})
    return rows


def _look_up(
    graph: KnowledgeGraph, page_of: int, keywords: str, value: str, *, mention: int | None = None
) -> dict | None:
    """The sentence on an entity's page that names the value (and the mention) and shares most key words."""
    wanted = [value] if mention is None else [graph.titles[mention]]
    sentences = [s for s in split_sentences(graph.page_texts[page_of]) if all(name in s for name in wanted)]
    if not sentences or not graph.page_ids[page_of]:
        return None
    words = set(keywords.lower().split())
    best = max(sentences, key=lambda s: len(words & set(re.findall(r"\w+", s.lower()))))
    return {"page_id": graph.page_ids[page_of], "title": graph.titles[page_of], "fact": best}


def split_sentences(text: str) -> list[str]:
    """Lines of a page, and within a line the sentences that end with a stop and a capital after it."""
    if "\n" in text or len(text) < 200:
        return [line.strip() for line in text.split("\n") if line.strip()]
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[^\Wa-z])", text) if part]
