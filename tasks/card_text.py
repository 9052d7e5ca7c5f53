"""Markdown for Prefect's pages, in which text from data stays text: no markup, no link, no table cell of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

LONGEST_CELL = 200  # characters
# What can mean something in markdown or HTML; with a backslash before it, it is shown and means nothing.
MARKUP = re.compile(r"""[!"#$%&*+./:<=>?@\[\\\]^_`{|}~]""")


def plain(value: Any) -> str:
    """A value from data as one line of text. The pages may still make a link to itself of an address."""
    text = " ".join(str(value).split())
    if len(text) > LONGEST_CELL:
        text = text[:LONGEST_CELL] + "…"
    return MARKUP.sub(r"\\\g<0>", text)


def code(text: str) -> str:
    """A name of ours, such as a digest or a command."""
    assert not set(text) & set("`|\n"), f"{text!r} would end the code"
    return f"`{text}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table whose cells are markdown already; none without rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *body] if body else []


def commands(lines: Sequence[str]) -> list[str]:
    """A block to copy from."""
    return ["```", *lines, "```"]


def number(value: Any) -> str:
    """Short, with separators; text for what is no number."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return plain(value)


def duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 90 else f"{int(seconds // 60)} min {seconds % 60:.0f} s"
