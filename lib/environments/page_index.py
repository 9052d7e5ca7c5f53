"""Full-text search over pages: BM25, with the sentences of a page that match a query best.

In: the pages table. Out: ranked pages and snippets. Shared by all episodes and read-only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import pyarrow.parquet as pq

from lib.errors import SourceError

_WORD = re.compile(r"\w+")
# Titles are what a query names first; counted twice, they outrank pages that only mention it.
TITLE_REPEATS = 2


@dataclass(frozen=True)
class Hit:
    """One search result."""

    title: str
    snippet: str


class PageIndex:
    """Pages by rank and by title."""

    def __init__(self, titles: list[str], texts: list[str]):
        self._titles, self._texts = titles, texts
        self._by_title: dict[str, int] = {}
        for row, title in enumerate(titles):
            self._by_title.setdefault(title.casefold(), row)
        self._vocabulary: dict[str, int] = {}
        documents = [
            [self._vocabulary.setdefault(word, len(self._vocabulary)) for word in split_words(document)]
            for document in (
                f"{(title + ' ') * TITLE_REPEATS}{text}" for title, text in zip(titles, texts, strict=True)
            )
        ]
        self._ranker = bm25s.BM25()
        self._ranker.index((documents, self._vocabulary), show_progress=False)

    @classmethod
    def load(cls, graph: Path) -> PageIndex:
        """Read ``pages.parquet`` of a graph artifact."""
        table = pq.read_table(graph / "pages.parquet", columns=["title", "text"])
        if table.num_rows == 0:
            raise SourceError(
                "the search tool has no page to search",
                where=str(graph / "pages.parquet"),
                next_step="give source.pages, or triples from which pages can be written",
            )
        return cls(table.column("title").to_pylist(), table.column("text").to_pylist())

    def search(self, query: str, *, limit: int, snippet_characters: int, forbidden: str = "") -> list[Hit]:
        """The best pages that share a word with the query, best first.

        ``forbidden`` is a text, such as the question itself, that no result may contain.
        """
        words = split_words(query)
        known = [self._vocabulary[word] for word in words if word in self._vocabulary]
        if not known:
            return []
        scores = self._ranker.get_scores_from_ids(known)
        count = min(limit + 8, len(scores))  # room for forbidden pages
        best = np.argpartition(-scores, count - 1)[:count]
        best = best[np.lexsort((best, -scores[best]))]
        hits = []
        for row in best:
            if scores[row] <= 0 or len(hits) == limit:
                break
            if forbidden and _contains(self._texts[row], forbidden):
                continue
            hits.append(Hit(self._titles[row], self._snippet(int(row), words, snippet_characters)))
        return hits

    def open(self, title: str, *, characters: int, forbidden: str = "") -> str | None:
        """A page's text by its title, whatever the case; None when there is no such page, or a forbidden one."""
        row = self._by_title.get(title.strip().casefold())
        if row is None or (forbidden and _contains(self._texts[row], forbidden)):
            return None
        return cut_text(self._texts[row], characters)

    def _snippet(self, row: int, query: list[str], characters: int) -> str:
        """The sentences that hold most words of the query which the title does not, in page order."""
        title = set(split_words(self._titles[row]))
        wanted = set(query)
        sentences = [line for line in self._texts[row].split("\n") if line.strip()]

        def score(sentence: str) -> tuple[int, int]:
            found = wanted & set(split_words(sentence))
            return len(found - title), len(found)

        best = max(range(len(sentences)), key=lambda i: (*score(sentences[i]), -i))
        return cut_text(sentences[best], characters)


def split_words(text: str) -> list[str]:
    """Lower-case words of any script."""
    return _WORD.findall(text.casefold())


def cut_text(text: str, characters: int) -> str:
    """At most so many characters, with an ellipsis where something is missing."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def _contains(text: str, part: str) -> bool:
    words = " ".join(split_words(part))
    return bool(words) and words in " ".join(split_words(text))
