"""The way through a question's evidence: it quotes a fact only once a page has shown it.

Where a search does not show the fact, the page itself is opened. A detour is a vague search that comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lib.learning.oracle import NOTHING
from lib.policy.tool_calls import render_tool_call


@dataclass(frozen=True)
class EvidenceStep:
    """One fact on the way to the answer, and a search that finds its page."""

    title: str
    query: str
    fact: str
    value: str


class SearchScript:
    """See lib.learning.oracle.Script."""

    def __init__(self, evidence: Sequence[EvidenceStep], answer: str, *, detour_share: float, seed: int):
        self._evidence, self._answer = evidence, answer
        random = np.random.default_rng(seed)
        self._detours = random.random(len(evidence)) < detour_share
        self._vague = random.random(len(evidence)) < 0.5
        self._place = 0  # in the evidence
        self._begun = self._opened = False  # the page of the present step has been read
        self._detour = bool(self._detours[0]) if evidence else False  # the next search is vague on purpose

    def next_turn(self, shown: str) -> str:
        if not self._evidence:
            return NOTHING
        if not self._begun:
            self._begun = True
            return self._search()
        step = self._evidence[self._place]
        if not self._detour and step.fact in shown:
            self._place += 1
            self._opened = False
            if self._place == len(self._evidence):
                return f"{step.fact}\n<answer>{self._answer}</answer>"
            self._detour = bool(self._detours[self._place])
            return f"{step.fact}\n{self._search()}"
        if self._detour:
            self._detour = False
            return self._search()
        if self._opened:
            return NOTHING  # the page does not show the fact either
        self._opened = True
        return render_tool_call("open", {"page": step.title})

    def _search(self) -> str:
        step = self._evidence[self._place]
        if not self._detour:
            return render_tool_call("search", {"query": step.query})
        words = step.query.split()
        query = step.title if self._vague[self._place] else words[-1]
        return render_tool_call("search", {"query": query})
