"""Full-text search over pages: BM25, with the sentences of a page that match a query best.

In: the pages table. Out: ranked pages and snippets. Shared by all episodes and read-only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import bm25s
import numpy as np
import pyarrow.parquet as pq

from lib.errors import SourceError

_WORD = re.compile(r"\w+")
# Titles are what a query names first; counted twice, they outrank pages that only mention it.
TITLE_REPEATS = 2
# Pages ranked beyond those wanted, in place of forbidden ones; hardly a question has more.
SPARE = 8


@dataclass(frozen=True)
class Hit:
    """One search result."""

    title: str  # with the page's id where several pages have the same
    snippet: str


class PageIndex:
    """Pages by rank and by title."""

    def __init__(self, titles: list[str], texts: list[str], ids: list[str] | None = None):
        """``ids`` tell pages of one title apart; by default their numbers do."""
        self._titles, self._texts = titles, texts
        self._by_title: dict[str, list[int]] = {}
        for row, title in enumerate(titles):
            self._by_title.setdefault(title.casefold(), []).append(row)
        self._names = list(titles)
        for rows in [rows for rows in self._by_title.values() if len(rows) > 1]:
            for row in rows:
                self._names[row] = f"{titles[row]} ({ids[row] if ids else row + 1})"
                self._by_title.setdefault(self._names[row].casefold(), [row])
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
        table = pq.read_table(graph / "pages.parquet", columns=["id", "title", "text"])
        if table.num_rows == 0:
            raise SourceError(
                "the search tool has no page to search",
                where=str(graph / "pages.parquet"),
                next_step="give source.pages, or triples from which pages can be written",
            )
        return cls(*(table.column(name).to_pylist() for name in ("title", "text", "id")))

    def search(self, query: str, *, limit: int, snippet_characters: int, forbidden: str = "") -> list[Hit]:
        """The best pages that share a word with the query, best first.

        ``forbidden`` is a text, such as the question itself, that no result may contain.
        """
        words = split_words(query)
        known = [self._vocabulary[word] for word in words if word in self._vocabulary]
        if not known:
            return []
        scores = self._ranker.get_scores_from_ids(known)
        best = _rank(scores, limit + SPARE)
        rows = self._choose(best, limit, forbidden)
        if len(rows) < limit and len(best) == limit + SPARE:
            rows = self._choose(_rank(scores, len(scores)), limit, forbidden)
        return [Hit(self._names[row], self._snippet(row, words, snippet_characters)) for row in rows]

    def _choose(self, ranked: np.ndarray, limit: int, forbidden: str) -> list[int]:
        """The first pages that are not forbidden."""
        return list(islice((row for row in ranked.tolist() if not self._holds(row, forbidden)), limit))

    def open(self, title: str, *, characters: int, forbidden: str = "") -> str | None:
        """A page's text by its title, whatever the case; None when there is no such page, or a forbidden one.

        Of a title that several pages have, the names by which each of them can be opened.
        """
        rows = [row for row in self._by_title.get(title.strip().casefold(), []) if not self._holds(row, forbidden)]
        if len(rows) > 1:
            return cut_text(f"Several pages have this title: {'; '.join(self._names[row] for row in rows)}", characters)
        return cut_text(self._texts[rows[0]], characters) if rows else None

    def _holds(self, row: int, forbidden: str) -> bool:
        return bool(forbidden) and _contains(f"{self._titles[row]}\n{self._texts[row]}", forbidden)

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


def _rank(scores: np.ndarray, number: int) -> np.ndarray:
    """Rows [at most number] of the best scores above zero, best first."""
    number = min(number, len(scores))
    best = np.argpartition(-scores, number - 1)[:number]
    best = best[np.lexsort((best, -scores[best]))]
    return best[scores[best] > 0]


def split_words(text: str) -> list[str]:
    """Lower-case words of any script."""
    return _WORD.findall(text.casefold())


def cut_text(text: str, characters: int) -> str:
    """At most so many characters, with an ellipsis where something is missing."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def _contains(text: str, part: str) -> bool:
    words = " ".join(split_words(part))
    return bool(words) and words in " ".join(split_words(text))
