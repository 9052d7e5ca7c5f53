"""Queries as language models write them: often in a fence of Markdown."""

from __future__ import annotations

import re

# A word after the first fence is a language at the end of its line; in the same line only where no query begins so.
_FENCE = re.compile(r"^```(?:\w*[^\S\n]*\n|(?:sql|sqlite|duckdb)\b)?\s*|\s*```$", re.IGNORECASE)


def without_fence(text: str) -> str:
    """The statement alone."""
    return _FENCE.sub("", text.strip()).strip()
