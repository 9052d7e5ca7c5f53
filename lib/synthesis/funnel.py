"""How many candidates each filter let through, and an example of each that it did not."""

from __future__ import annotations


class Funnel:
    """Counts by filter and reason; filters appear in the order given."""

    def __init__(self, filters: tuple[str, ...]):
        self._filters = (*filters, "kept")
        self._counts: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], str] = {}

    def count(self, filter_: str, reason: str = "", *, example: str = "", number: int = 1) -> None:
        key = (filter_, reason)
        self._counts[key] = self._counts.get(key, 0) + number
        if example:
            self._examples.setdefault(key, example)

    def dropped(self) -> dict[tuple[str, str], int]:
        """(filter, reason) -> count of what did not pass, most first."""
        pairs = [(key, count) for key, count in self._counts.items() if key[1]]
        return dict(sorted(pairs, key=lambda pair: -pair[1]))

    def rows(self) -> list[dict]:
        """A row a filter and reason, those that went on first."""
        rows = []
        for filter_ in self._filters:
            keys = sorted((key for key in self._counts if key[0] == filter_), key=lambda key: -self._counts[key])
            for key in keys or [(filter_, "")]:
                example = self._examples.get(key, "")
                rows.append(
                    {"filter": filter_, "reason": key[1], "count": self._counts.get(key, 0), "example": example}
                )
        return rows
