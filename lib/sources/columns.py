"""Which column of a file is which: the names that its reader knows, and others under which the same is met.

In: the names that a file gives to its columns, or the keys of a JSON object. Out: the same in the reader's
words. What the columns hold is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lib.errors import SourceError

SYNONYMS = {
    "head": ("subject", "subject_id", "h", "source"),
    "relation": ("predicate", "rel", "r", "property"),
    "tail": ("object", "object_id", "t", "target"),
    "label": ("name", "title_label", "short_label"),
    "type": ("types",),
    "entity_id": ("entity",),
}


class ColumnNames:
    """Renames the columns of one file.

    A synonym counts only for a column that the reader knows and that no other column is named after: beside
    ``head``, a column ``source`` tells where a triple comes from. JSON objects may differ in their keys; what
    the first of them decides holds for the whole file.
    """

    def __init__(self, known: Sequence[str], *, file: str, synonyms: Mapping[str, Sequence[str]] = SYNONYMS):
        self._known, self._file, self._synonyms = known, file, synonyms
        self._owners: dict[str, str] = {}  # known name -> the column that stands for it
        self._renamed: dict[tuple[str, ...], list[str]] = {}

    def rename(self, columns: Sequence[str], *, line: int) -> list[str]:
        """Raises SourceError for two columns that stand for the same."""
        given = tuple(columns)
        if given not in self._renamed:
            self._renamed[given] = self._rename(plain_names(given), line)
        return self._renamed[given]

    def _rename(self, columns: list[str], line: int) -> list[str]:
        repeated = next((column for column in columns if column and columns.count(column) > 1), None)
        if repeated is not None:
            raise self._clash(repeated, repeated, repeated, line)
        for name in self._known:
            owner = self._owners.get(name)
            claims = (
                [name] if name in columns else [column for column in columns if column in self._synonyms.get(name, ())]
            )
            if owner is None and len(claims) > 1:
                raise self._clash(name, *claims[:2], line)
            if owner not in (None, name) and name in columns:
                raise self._clash(name, str(owner), name, line)
            if owner is None and claims:
                self._owners[name] = claims[0]
        ours = {column: name for name, column in self._owners.items()}
        return [ours.get(column, column) for column in columns]

    def may_be(self, name: str) -> frozenset[str]:
        """The name itself and its synonyms."""
        return frozenset((name, *self._synonyms.get(name, ())))

    def _clash(self, name: str, first: str, second: str, line: int) -> SourceError:
        return SourceError(
            f"Two columns stand for {name!r}: {first!r} and {second!r}.",
            where=f"{self._file}, line {line}",
            next_step=f"Leave one of them out, or give it a name that does not mean {name!r}.",
        )


def plain_names(columns: Sequence[str]) -> list[str]:
    return [column.strip().lower() for column in columns]
