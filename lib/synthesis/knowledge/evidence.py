"""Where the graph's pages say what a question needs, one look-up after the other.

In: a path. Out: for each look-up the page, a query made from what is known by then, the sentence as
the page writes it and what it gives. A path with a look-up that no page tells has no evidence.
"""

from __future__ import annotations

import re

from lib.sources.graph import KnowledgeGraph
from lib.sources.pages import attribute_words, format_value
from lib.synthesis.knowledge.paths import Clue, Path, answer_of


def gather_evidence(graph: KnowledgeGraph, path: Path) -> list[dict] | None:
    """Rows of the contract's evidence, or None where a fact stands on no page.

    A described start is looked up by its description; a clue that tells candidates apart is confirmed
    on the page of the entity that it is true of.
    """
    answer, _ = answer_of(graph, path)
    rows = [_find_start(graph, path)] if path.clues_at(0) else []
    for position in range(1, len(path.steps) + 1):
        value = graph.titles[path.nodes[position]] if position < path.num_lookups else answer
        rows.append(_follow_step(graph, path, position, value))
        rows += [_confirm(graph, path.nodes[position], clue) for clue in path.clues_at(position)]
    if path.attribute is not None:
        known, keywords = path.nodes[-1], attribute_words(path.attribute["name"])
        rows.append(_look_up(graph, known, keywords, format_value(path.attribute)))
        rows[-1] = rows[-1] and rows[-1] | {"query": f"{graph.titles[known]} {keywords}", "value": answer}
    return None if None in rows else rows  # type: ignore[return-value]


def _find_start(graph: KnowledgeGraph, path: Path) -> dict | None:
    start, clues = path.nodes[0], path.clues_at(0)
    query = " ".join([graph.types[start], *(clue.keywords for clue in clues)]).strip()
    named = sorted(clues, key=lambda clue: clue.anchor is None)[0]
    row = _look_up(graph, start, named.keywords, named.value)
    return row and row | {"query": query, "value": graph.titles[start]}


def _follow_step(graph: KnowledgeGraph, path: Path, position: int, value: str) -> dict | None:
    known, found = path.nodes[position - 1], path.nodes[position]
    keywords = graph.wording(path.steps[position - 1])[2]
    row = _look_up(graph, known, keywords, value) or _look_up(graph, found, keywords, value, mention=known)
    return row and row | {"query": f"{graph.titles[known]} {keywords}", "value": value}


def _confirm(graph: KnowledgeGraph, node: int, clue: Clue) -> dict | None:
    row = _look_up(graph, node, clue.keywords, clue.value)
    return row and row | {"query": f"{graph.titles[node]} {clue.keywords}", "value": clue.value}


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
