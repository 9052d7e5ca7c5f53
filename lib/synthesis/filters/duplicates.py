"""Drops questions that say nearly what a kept one says.

Questions are sets of word triples; MinHash signatures (Broder 1997) in a locality-sensitive index find
those whose estimated Jaccard similarity reaches the threshold.
"""

from __future__ import annotations

import re

from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 64  # standard error of the estimate about 0.06 at a similarity of 0.6, 0.04 at 0.9
SHINGLE_WORDS = 3
# The index only proposes; above this it would have a single band, which datasketch refuses.
HIGHEST_INDEX_THRESHOLD = 0.9


class DuplicateFilter:
    """Remembers what was kept."""

    def __init__(self, threshold: float):
        self._threshold = threshold
        index_threshold = min(threshold, HIGHEST_INDEX_THRESHOLD)
        self._index = MinHashLSH(threshold=index_threshold, num_perm=PERMUTATIONS)
        self._signatures: dict[str, MinHash] = {}

    def check(self, text: str) -> tuple[bool, str]:
        """``(keep, reason)``; a kept text is remembered."""
        if text in self._signatures:
            return False, "the same words as another question"
        signature = _sign(text)
        for other in self._index.query(signature):
            if self._signatures[other].jaccard(signature) >= self._threshold:
                return False, "nearly the same words as another question"
        self._signatures[text] = signature
        self._index.insert(text, signature, check_duplication=False)
        return True, ""


def _sign(text: str) -> MinHash:
    words = re.findall(r"\w+", text.casefold()) or [text]
    shingles = {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(1, len(words) - SHINGLE_WORDS + 1))}
    signature = MinHash(num_perm=PERMUTATIONS)
    signature.update_batch([shingle.encode() for shingle in sorted(shingles)])
    return signature
