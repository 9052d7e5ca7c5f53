"""The relatives of an artifact as trees in the terminal: upwards what it was made from, downwards what was made of it.

In: rows of catalogue.describe_relatives. An artifact that stands in a tree already is named again
without its own relatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from flows.command_line.terminal import stdout
from lib.store.manifest import Reference
from lib.store.origin import tell_origin

MOST_TABLES = 2  # whose rows are counted; the many tables of a graph say little

Row = dict[str, Any]
Link = tuple[str, str]  # the name under which one is an input of the other, and the digest of the next one


def print_tree(rows: Sequence[Row]) -> None:
    """Print the artifact with a tree for each direction that was asked for."""
    root = rows[0]
    known = {row["digest"]: row for row in rows}
    tree = Tree(_label(root["stage"], root))
    if any(row["direction"] == "up" for row in rows):
        branch = tree.add(Text("made from", "italic"))
        _grow(branch, root["digest"], known, _inputs_of(known), {root["digest"]})
    if any(row["direction"] == "down" for row in rows):
        branch = tree.add(Text("what was made of it", "italic"))
        below = {row["digest"]: row for row in rows if row["direction"] != "up"}
        _grow(branch, root["digest"], below, _made_of(below), {root["digest"]})
    stdout().print(tree)


def _inputs_of(known: dict[str, Row]) -> Callable[[str], list[Link]]:
    def links(digest: str) -> list[Link]:
        return [(item["stage"], item["digest"]) for item in known[digest]["inputs"]] if digest in known else []

    return links


def _made_of(known: dict[str, Row]) -> Callable[[str], list[Link]]:
    """Nearest ones first, so that each hangs where it was first used."""

    def links(digest: str) -> list[Link]:
        users = [row for row in known.values() if any(item["digest"] == digest for item in row["inputs"])]
        return [(row["stage"], row["digest"]) for row in sorted(users, key=lambda row: row["finished_at"])]

    return links


def _grow(tree: Tree, digest: str, known: dict[str, Row], links: Callable[[str], list[Link]], shown: set[str]) -> None:
    for role, other in links(digest):
        label = _label(role, known[other]) if other in known else Text(f"{role}  {other[:12]}, no longer in the store")
        if other in shown and links(other):
            label.append("  (see above)", "dim")
        branch = tree.add(label)
        if other not in shown:
            shown.add(other)
            _grow(branch, other, known, links, shown)


def _label(role: str, row: Row) -> Text:
    reference = Reference(kind=row["kind"], digest=row["digest"])
    label = Text(f"{role}  ", "bold").append(str(reference), "cyan not bold")
    rows = ", ".join(f"{count:,} {name}" for name, count in (row["rows"] or {}).items())
    if 0 < len(row["rows"] or {}) <= MOST_TABLES:
        label.append(f"  {rows}", "not bold")
    if row["origin"]:
        label.append(f"  {tell_origin(row['stage'], row['origin'], row['finished_at'])}", "magenta not bold")
    return label
