"""Whether an answer is the gold answer, after the normalisation that open question answering uses.

Lower case, no punctuation, no articles, single spaces (Rajpurkar et al., 2016), with Unicode's
compatibility forms folded. Numbers lose their thousands separators and keep their minus sign.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_MINUS = re.compile(r"(?<!\w)[-\N{MINUS SIGN}](?=\d)")
_THOUSANDS = re.compile(r"(?<=\d)[,\u00a0\u202f](?=\d{3}\b)")


def normalize_answer(text: str) -> str:
    """The form in which answers are compared."""
    # Separators first: the compatibility form of a narrow space is a plain one, which separates words.
    text = unicodedata.normalize("NFKC", _MINUS.sub("minus ", _THOUSANDS.sub("", text))).casefold()
    kept = "".join(" " if unicodedata.category(c)[0] in "PZC" else c for c in text)
    without_articles = " ".join(_ARTICLES.sub(" ", kept).split())
    # An answer that consists of articles or punctuation alone ("A", ".tv") keeps them.
    return without_articles or " ".join(kept.split()) or text.strip()


def is_correct(answer: str | None, gold: str, aliases: Iterable[str] = ()) -> bool:
    """Normalised exact match with the gold answer or one of its aliases."""
    if answer is None:
        return False
    given = normalize_answer(answer)
    return any(given == normalize_answer(accepted) for accepted in (gold, *aliases))


def token_f1(answer: str | None, golds: Iterable[str]) -> float:
    """Best harmonic mean of precision and recall over normalised words, in [0, 1]."""
    if answer is None:
        return 0.0
    given = normalize_answer(answer).split()
    return max((_f1(given, normalize_answer(gold).split()) for gold in golds), default=0.0)


def _f1(given: list[str], gold: list[str]) -> float:
    shared = sum((Counter(given) & Counter(gold)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(given), shared / len(gold)
    return 2 * precision * recall / (precision + recall)
