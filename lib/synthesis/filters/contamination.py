"""Drops training questions that share an answer path or an end-to-end pair with a held-out one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence


class ContaminationFilter:
    """Knows the held-out questions; a pair is (where a question starts, what it answers)."""

    def __init__(self) -> None:
        self._paths: set[tuple[Hashable, ...]] = set()
        self._pairs: set[tuple[str, str]] = set()

    def hold_out(self, path: Sequence[Hashable], pair: tuple[str, str]) -> None:
        self._paths.add(tuple(path))
        self._pairs.add(_fold(pair))

    def release(self, path: Sequence[Hashable], pair: tuple[str, str]) -> None:
        """Take a held-out question back; no other that was checked has its path or pair."""
        self._paths.discard(tuple(path))
        self._pairs.discard(_fold(pair))

    def check(self, path: Sequence[Hashable], pair: tuple[str, str]) -> tuple[bool, str]:
        """``(keep, reason)``."""
        if tuple(path) in self._paths:
            return False, "a held-out question has the same path"
        if _fold(pair) in self._pairs:
            return False, "a held-out question has the same start and answer"
        return True, ""


def _fold(pair: tuple[str, str]) -> tuple[str, str]:
    return pair[0].casefold(), pair[1].casefold()
