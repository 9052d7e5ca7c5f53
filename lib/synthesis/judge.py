"""What a judge of difficulty is: it says how many attempts at each question are right.

Judges know how attempts are made; synthesis knows what follows from their number. Attempts need policies
and environments, which synthesis must not know, so a judge is handed in from outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lib.chat_endpoint import Usage


@dataclass(frozen=True)
class Exercise:
    """A question as a judge gets it."""

    id: str
    prompt: str
    answer: str
    aliases: tuple[str, ...]
    domain: str = "knowledge"
    database_id: str | None = None
    images: tuple[str, ...] = ()


class Judge(Protocol):
    @property
    def usage(self) -> Usage: ...

    def count_successes(self, exercises: list[Exercise]) -> list[int | None]:
        """Right attempts at each exercise; None where one broke, so that the number says nothing."""
        ...
