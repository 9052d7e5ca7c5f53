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
        # What is looked up further has to be known by its title.
        goes_on = position < path.num_lookups or path.clues_at(position)
        value = graph.titles[path.nodes[position]] if goes_on else answer
        rows.append(_follow_step(graph, path, position, value))
        rows += [_confirm(graph, path.nodes[position], clue) for clue in path.clues_at(position)]
    if path.attribute is not None:
        rows.append(_read_attribute(graph, path.nodes[-1], path.attribute, answer))
    return None if None in rows else rows  # type: ignore[return-value]


def _find_start(graph: KnowledgeGraph, path: Path) -> dict | None:
    start, clues = path.nodes[0], path.clues_at(0)
    query = " ".join([graph.types[start], *(clue.keywords for clue in clues)]).strip()
    named = sorted(clues, key=lambda clue: clue.anchor is None)[0]
    row = _look_up(graph, start, phrase=named.phrase, keywords=named.keywords, name=named.value)
    return row and row | {"query": query, "value": graph.titles[start]}


def _follow_step(graph: KnowledgeGraph, path: Path, position: int, value: str) -> dict | None:
    """The page of the known entity tells it, or else the page of the one that is found."""
    known, found, step = path.nodes[position - 1], path.nodes[position], path.steps[position - 1]
    keywords, back = graph.wording(step)[2], graph.reverse(step)
    row = _look_up(graph, known, phrase=graph.phrase(step), keywords=keywords, name=value) or _look_up(
        graph, found, phrase=graph.phrase(back), keywords=keywords, name=graph.titles[known]
    )
    return row and row | {"query": f"{graph.titles[known]} {keywords}", "value": value}


def _confirm(graph: KnowledgeGraph, node: int, clue: Clue) -> dict | None:
    row = _look_up(graph, node, phrase=clue.phrase, keywords=clue.keywords, name=clue.value)
    return row and row | {"query": f"{graph.titles[node]} {clue.keywords}", "value": clue.value}


def _read_attribute(graph: KnowledgeGraph, node: int, attribute: dict, answer: str) -> dict | None:
    words = attribute_words(attribute["name"])
    row = _look_up(graph, node, phrase=f"has the {words}", keywords=words, name=format_value(attribute))
    return row and row | {"query": f"{graph.titles[node]} {words}", "value": answer}


def _look_up(graph: KnowledgeGraph, page_of: int, *, phrase: str, keywords: str, name: str) -> dict | None:
    """The sentence on an entity's page that gives ``name`` beside the page's own title.

    A sentence with the relation's verb phrase comes first, then the one that shares most key words, which
    finds the place on pages that somebody else wrote.
    """
    title, page = graph.titles[page_of], graph.page_ids[page_of]
    sentences = [s for s in split_sentences(graph.page_texts[page_of]) if gives(s.removeprefix(title), name)]
    if not sentences or not page:
        return None
    words = set(keywords.lower().split())

    def fit(sentence: str) -> tuple[bool, int]:
        told = sentence.removeprefix(title)
        return told.startswith(f" {phrase} "), len(words & set(re.findall(r"\w+", told.lower())))

    return {"page_id": page, "title": title, "fact": max(sentences, key=fit)}


def gives(text: str, name: str) -> bool:
    """Whether the name stands in the text as whole words; without a pattern, since names are all different."""
    at = text.find(name)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(name) : at + len(name) + 1]
        if not _is_word(before) and not _is_word(after):
            return True
        at = text.find(name, at + 1)
    return False


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def split_sentences(text: str) -> list[str]:
    """Lines of a page, and within a line the sentences that end with a stop and a capital after it."""
    if "\n" in text or len(text) < 200:
        return [line.strip() for line in text.split("\n") if line.strip()]
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[^\Wa-z])", text) if part]
