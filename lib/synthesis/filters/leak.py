"""Drops a question whose own words give the answer away."""

from __future__ import annotations

import re
import unicodedata

# Shorter words ("of", "is") say nothing about an answer.
SHORTEST_WORD = 3


def leaks_answer(prompt: str, answer: str, aliases: list[str]) -> tuple[bool, str]:
    """``(keep, reason)``: not kept when the prompt holds the answer, an alias, or half of its words.

    Spelling is folded (case, accents). An alias counts as a whole only; very short ones, codes mostly,
    count as whole words.
    """
    text = _fold(prompt)
    words = set(re.findall(r"\w+", text))
    if len(answer) >= SHORTEST_WORD and answer.lower() in prompt.lower():
        return False, "the prompt names the answer"
    for name in map(_fold, (answer, *aliases)):
        tokens = re.findall(r"\w+", name)
        if tokens and f" {' '.join(tokens)} " in f" {' '.join(re.findall(chr(92) + 'w+', text))} ":
            return False, "the prompt names the answer"
    telling = [word for word in re.findall(r"\w+", _fold(answer)) if len(word) >= SHORTEST_WORD]
    if telling and sum(word in words for word in telling) * 2 >= len(telling):
        return False, "the prompt names half of the answer's words"
    return True, ""


def _fold(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return "".join(c for c in plain.casefold() if not unicodedata.combining(c))
