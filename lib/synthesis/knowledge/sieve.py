"""Paths of one split -> rows of questions, filter by filter, everything counted.

The order puts what is cheap first and what costs most (the writer, a judge) last. Each
filter answers ``(keep, reason)``; the sieve only asks and counts.
"""

from __future__ import annotations

from lib.seeds import derive_seed
from lib.settings.synthesis import SynthesisSettings
from lib.sources.graph import KnowledgeGraph
from lib.synthesis.filters.balance import BalanceFilter
from lib.synthesis.filters.contamination import ContaminationFilter
from lib.synthesis.filters.difficulty import within_difficulty, within_successes
from lib.synthesis.filters.duplicates import DuplicateFilter
from lib.synthesis.filters.leak import leaks_answer, names_hidden
from lib.synthesis.funnel import Funnel
from lib.synthesis.judge import Judge
from lib.synthesis.knowledge.candidates import Candidate
from lib.synthesis.knowledge.draw import PathDrawer
from lib.synthesis.knowledge.evidence import gather_evidence
from lib.synthesis.knowledge.paths import Path, answer_of, effort_of, find_ambiguity, find_shortcut, pattern_of
from lib.synthesis.knowledge.phrasing import is_told_in_sentences, name_start, phrase_questions, tell_clues
from lib.synthesis.writer import Draft, Writer

FILTERS_OF_PATHS = ("clues", "uniqueness", "one_hop", "evidence")
FILTERS_OF_QUESTIONS = ("balance", "writer", "leak", "hidden_names", "contamination", "duplicates")


def filters_in_order(*, judged: bool) -> tuple[str, ...]:
    """The filters as they run: a measure of the graph decides on difficulty early, a judge last."""
    if judged:
        return (*FILTERS_OF_PATHS, *FILTERS_OF_QUESTIONS, "difficulty")
    return (*FILTERS_OF_PATHS, "difficulty", *FILTERS_OF_QUESTIONS)


class Sieve:
    """Holds what filters remember over the splits."""

    def __init__(
        self,
        graph: KnowledgeGraph,
        settings: SynthesisSettings,
        *,
        funnel: Funnel,
        writer: Writer,
        judge: Judge | None,
    ):
        self._graph, self._settings, self._writer, self._judge = graph, settings, writer, judge
        self.funnel = funnel
        self._duplicates = DuplicateFilter(settings.duplicate_threshold)
        self._contamination = ContaminationFilter()
        self._seen: set[tuple] = set()
        self._split = ""
        self._balance: BalanceFilter | None = None

    def start_split(self, name: str, *, wanted: int) -> None:
        self._split = name
        self._balance = BalanceFilter(
            wanted=wanted,
            answer_share=self._settings.max_answer_share,
            pattern_share=self._settings.max_pattern_share,
        )

    def sift(self, drawer: PathDrawer, *, walkers: int, most: int, seed: int) -> list[dict]:
        """Rows of at most ``most`` questions out of the paths of so many walkers."""
        candidates: list[Candidate] = []
        for path in drawer.draw(walkers):
            if len(candidates) == most:
                break
            if path.key in self._seen:
                continue
            self._seen.add(path.key)
            self.funnel.count("walks")
            if candidate := self._draft(path, drawer, seed):
                candidates.append(candidate)
        self._write(candidates)
        worded = [candidate for candidate in candidates if candidate.prompt and self._check_words(candidate)]
        kept = self._judge_all(worded)
        kept_ids = {candidate.id for candidate in kept}
        for candidate in candidates:
            if candidate.id not in kept_ids:
                self._balance_of().release(candidate.answer.casefold(), pattern_of(self._graph, candidate.path))
        filters = filters_in_order(judged=self._judge is not None)
        return [candidate.row(self._graph, filters=filters) for candidate in kept]

    def _balance_of(self) -> BalanceFilter:
        assert self._balance is not None, "start_split comes before sift"
        return self._balance

    def _passes(self, filter_: str, verdict: tuple[bool, str], example: str) -> bool:
        keep, reason = verdict
        self.funnel.count(filter_, "" if keep else reason, example=example)
        return keep

    def _draft(self, bare: Path, drawer: PathDrawer, seed: int) -> Candidate | None:
        """The filters that need no words."""
        graph = self._graph
        told = " > ".join((graph.titles[bare.nodes[0]], *pattern_of(graph, bare)))
        path = drawer.add_clues(bare)
        if not self._passes("clues", (path is not None, "no clue singles an entity out"), told) or path is None:
            return None
        ambiguity = find_ambiguity(graph, path)
        if not self._passes("uniqueness", (not ambiguity, ambiguity), told):
            return None
        shortcut = find_shortcut(graph, path)
        if not self._passes("one_hop", (not shortcut, shortcut), told):
            return None
        evidence = gather_evidence(graph, path)
        if not self._passes("evidence", (evidence is not None, "no page tells one of the facts"), told):
            return None
        answer, aliases = answer_of(graph, path)
        effort = effort_of(graph, path)
        if self._judge is None:
            limits = {"low": self._settings.min_difficulty, "high": self._settings.max_difficulty}
            if not self._passes("difficulty", within_difficulty(effort, **limits), told):
                return None
        if not self._passes("balance", self._balance_of().check(answer.casefold(), pattern_of(graph, path)), told):
            return None
        question_seed = derive_seed(seed, "question", *map(str, path.key))
        start = name_start(graph, path)
        return Candidate(path, self._split, question_seed, answer, aliases, start, evidence or [], effort)

    def _write(self, candidates: list[Candidate]) -> None:
        drafts = [
            Draft(
                seed=candidate.seed,
                wordings=phrase_questions(self._graph, candidate.path, seed=candidate.seed),
                clues=tell_clues(self._graph, candidate.path, candidate.start_text),
                answer=candidate.answer,
                blurred=bool(candidate.path.clues_at(0)),
                in_sentences=is_told_in_sentences(candidate.path),
            )
            for candidate in candidates
        ]
        for candidate, wording in zip(candidates, self._writer.write(drafts), strict=True):
            candidate.prompt, candidate.writer = wording.prompt, self._writer.name
            self._passes("writer", (bool(wording.prompt), wording.reason), wording.prompt or wording.detail)

    def _check_words(self, candidate: Candidate) -> bool:
        """The filters that read the prompt."""
        prompt, path, pair = candidate.prompt, candidate.path.key, candidate.pair(self._graph)
        if not self._passes("leak", leaks_answer(prompt, candidate.answer, candidate.aliases), prompt):
            return False
        if not self._passes("hidden_names", names_hidden(prompt, candidate.hidden(self._graph)), prompt):
            return False
        if not self._passes("contamination", self._contamination.check(path, pair), prompt):
            return False
        if not self._passes("duplicates", self._duplicates.check(prompt), prompt):
            return False
        if candidate.split != "train":
            self._contamination.hold_out(path, pair)
        return True

    def _judge_all(self, candidates: list[Candidate]) -> list[Candidate]:
        """The filter that tries the questions, all at once."""
        if self._judge is None or not candidates:
            return candidates
        settings, kept = self._settings, []
        limits = {"low": settings.difficulty_min_successes, "high": settings.difficulty_max_successes}
        counts = self._judge.count_successes([candidate.exercise for candidate in candidates])
        for candidate, successes in zip(candidates, counts, strict=True):
            if self._passes("difficulty", within_successes(successes, **limits), candidate.prompt):
                candidate.difficulty = 1 - (successes or 0) / settings.difficulty_attempts
                kept.append(candidate)
            elif candidate.split != "train":
                self._contamination.release(candidate.path.key, candidate.pair(self._graph))
        return kept
