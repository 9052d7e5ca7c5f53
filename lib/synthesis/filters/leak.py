"""Drops a question whose own words give the answer away."""

from __future__ import annotations

import re
import unicodedata

# Shorter words ("of", "is") say nothing about an answer.
SHORTEST_WORD = 3
WORD = r"\w+"


def leaks_answer(prompt: str, answer: str, aliases: list[str]) -> tuple[bool, str]:
    """``(keep, reason)``: not kept when the prompt holds the answer, an alias, or half of its words.

    Spelling is folded (case, accents). An alias counts as a whole only; very short ones, codes mostly,
    count as whole words.
    """
    text = _spaced(prompt)
    words = set(text.split())
    if len(answer) >= SHORTEST_WORD and answer.lower() in prompt.lower():
        return False, "the prompt names the answer"
    if any(_spaced(name) in text for name in (answer, *aliases) if _spaced(name).strip()):
        return False, "the prompt names the answer"
    telling = [word for word in _spaced(answer).split() if len(word) >= SHORTEST_WORD]
    if telling and sum(word in words for word in telling) * 2 >= len(telling):
        return False, "the prompt names half of the answer's words"
    return True, ""


def names_hidden(prompt: str, hidden: list[str]) -> tuple[bool, str]:
    """``(keep, reason)``: not kept when the prompt holds, as whole words, a name that is to be found out."""
    text = _spaced(prompt)
    if any(len(name) >= SHORTEST_WORD and _spaced(name) in text for name in hidden):
        return False, "the prompt names an entity in between"
    return True, ""


def _spaced(text: str) -> str:
    """The folded words, each between blanks."""
    return f" {' '.join(re.findall(WORD, _fold(text)))} "


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain.casefold() if not unicodedata.combining(c))
