"""The redundancy penalty of DeepDive: how much an episode's searches repeat each other.

S = mean over unordered pairs of queries of Jaccard(words(p), words(q)); 0 with fewer than two
queries. The paper takes S off the reward with weight 0.1; its released training code leaves the
term out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

_WORD = re.compile(r"\w+")


def query_redundancy(queries: Sequence[str]) -> float:
    """Mean pairwise Jaccard similarity of the queries' words, in [0, 1]; empty queries do not count."""
    sets = [words for words in (set(_WORD.findall(query.casefold())) for query in queries) if words]
    pairs = list(combinations(sets, 2))
    if not pairs:
        return 0.0
    return sum(len(p & q) / len(p | q) for p, q in pairs) / len(pairs)
