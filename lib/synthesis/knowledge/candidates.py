"""A question on its way through the filters, and the row that it becomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lib.sources.graph import KnowledgeGraph
from lib.synthesis.judge import Exercise
from lib.synthesis.knowledge.paths import Path, pattern_of


@dataclass
class Candidate:
    """Filled in from left to right by the stages of synthesis."""

    path: Path
    split: str
    seed: int
    answer: str
    aliases: list[str]
    start_text: str
    evidence: list[dict]
    difficulty: float
    prompt: str = ""
    writer: str = ""

    @property
    def id(self) -> str:
        """Follows from prompt, answer and path."""
        digest = hashlib.sha256(f"{self.prompt}\x1f{self.answer}\x1f{self.path.key}".encode()).hexdigest()
        return f"knowledge-{digest[:16]}"

    @property
    def exercise(self) -> Exercise:
        return Exercise(self.id, self.prompt, self.answer, tuple(self.aliases))

    def pair(self, graph: KnowledgeGraph) -> tuple[str, str]:
        return graph.titles[self.path.nodes[0]], self.answer

    def hidden(self, graph: KnowledgeGraph) -> list[str]:
        """Labels that the prompt must not hold: those in between, and a described start."""
        nodes = self.path.nodes[0 if self.path.clues_at(0) else 1 : None if self.path.attribute else -1]
        return [graph.labels[node] for node in nodes]

    def _anchors(self) -> list[int]:
        return [clue.anchor for _, clue in self.path.clues if clue.anchor is not None]

    def row(self, graph: KnowledgeGraph, *, filters: tuple[str, ...]) -> dict:
        """A row of the contract of questions."""
        return {
            "id": self.id,
            "domain": "knowledge",
            "prompt": self.prompt,
            "answer": self.answer,
            "aliases": self.aliases,
            "split": self.split,
            "hops": len(self.evidence),
            "difficulty": self.difficulty,
            "evidence": self.evidence,
            "source_ids": [graph.ids[node] for node in dict.fromkeys((*self.path.nodes, *self._anchors()))],
            "relations": list(pattern_of(graph, self.path)),
            "writer": self.writer,
            "filters_passed": list(filters),
            "seed": self.seed,
        }
