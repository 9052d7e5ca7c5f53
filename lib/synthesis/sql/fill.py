"""Requests drawn, checked and worded until a split has its questions.

In: the databases of a split, how many questions are wanted, a writer and perhaps a judge. Out: rows of the questions
table. Drawn requests that came through the checks and found no place in the mix wait for one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random

from sqlglot import exp

from lib.progress import Progress
from lib.seeds import derive_seed
from lib.settings.synthesis import SynthesisSettings
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.hardness import Hardness, hardness_of
from lib.sources.sql.schema import Database
from lib.synthesis.filters.difficulty import within_successes
from lib.synthesis.filters.duplicates import DuplicateFilter
from lib.synthesis.funnel import Funnel
from lib.synthesis.judge import Exercise, Judge
from lib.synthesis.sql.checks import STAGES, Checked, Checker
from lib.synthesis.sql.copies import make_copies
from lib.synthesis.sql.draw import Drawer
from lib.synthesis.sql.endpoint_writer import SqlDraft
from lib.synthesis.sql.mix import Mix
from lib.synthesis.sql.request import Asked
from lib.synthesis.sql.synonyms import synonyms_of
from lib.synthesis.sql.telling import tell
from lib.synthesis.sql.to_sql import to_sql
from lib.synthesis.sql.variants import soil_values
from lib.synthesis.template_writer import capitalise
from lib.synthesis.writer import Writer

# Requests that are checked together: somewhat more than are missing, as about two of three come through.
ROUND_SHARE, LEAST_ROUND, LARGEST_ROUND = 1.7, 20, 400
DRAWS_A_REQUEST = 8  # at most, since a level without room takes none
IDLE_ROUNDS = 6  # without a single new question, after which a database counts as exhausted
WORDINGS = 6  # of a question, among which the writer chooses
# Without attempts at it, a question is as difficult as its level says.
DIFFICULTY: dict[Hardness, float] = {"easy": 0.2, "medium": 0.4, "hard": 0.7, "extra": 0.9}


def filters_in_order(*, judged: bool) -> tuple[str, ...]:
    """The filters as they run; attempts at a question, which cost most, come last."""
    return ("drawn", *STAGES, "writer", "duplicates", *(["difficulty"] if judged else []))


@dataclass(frozen=True)
class _Kept:
    """A question before it has words."""

    shape: str
    level: Hardness
    checked: Checked
    tables: tuple[str, ...]
    seed: int


class SqlSynthesis:
    """Makes the questions of all splits; what filters remember holds over all of them."""

    def __init__(
        self,
        settings: SynthesisSettings,
        *,
        pool: Pool,
        writer: Writer,
        funnel: Funnel,
        judge: Judge | None = None,
        seed: int,
        scratch: Path,
    ):
        self._settings, self._pool, self._writer, self._judge = settings, pool, writer, judge
        self._seed, self._scratch, self.funnel = seed, scratch, funnel
        self._filters = list(filters_in_order(judged=judge is not None))
        self._duplicates = DuplicateFilter(settings.duplicate_threshold)
        self._opened: dict[str, _Source] = {}
        self.paraphrases: list[dict] = []  # of training questions, beyond those that were wanted

    def fill(self, split: str, databases: Sequence[Database], wanted: int, progress: Progress) -> list[dict]:
        """Rows of at most ``wanted`` questions, as evenly over the databases as they allow."""
        rows: list[dict] = []
        levels, shapes = self._settings.sql.levels, self._settings.sql.shapes
        whole = Mix(wanted, levels, shapes)
        left = [source for source in map(self._open, databases) if not source.is_empty]
        is_first = True
        while left and len(rows) < wanted:
            share = -(-(wanted - len(rows)) // len(left))
            for source in list(left):
                # Each database gives the whole mix; what one of them cannot give, the others make up for.
                mix = Mix(share, levels, shapes, whole=whole) if is_first else whole
                fresh = self._fill_from(source, split, mix, min(share, wanted - len(rows)))
                rows += fresh
                progress.update(len(rows), wanted, f"{split}: {source.database.id}")
                if not fresh:
                    left.remove(source)
            is_first = False
        return rows

    def _open(self, database: Database) -> _Source:
        """Once for all splits, so that none asks what another has asked."""
        if database.id not in self._opened:
            copies = make_copies(database, self._scratch, seed=derive_seed(self._seed, "copies", database.id))
            random = Random(derive_seed(self._seed, "requests", database.id))
            checker = Checker(database, copies, self._pool)
            self._opened[database.id] = _Source(database, Drawer(database, random), checker, random)
        return self._opened[database.id]

    def _fill_from(self, source: _Source, split: str, mix: Mix, wanted: int) -> list[dict]:
        """Questions about one database, fewer than wanted where it has no more to ask."""
        rows: list[dict] = []
        idle = 0
        while len(rows) < wanted and idle < IDLE_ROUNDS:
            missing = wanted - len(rows)
            self._draw(source, mix, min(max(round(ROUND_SHARE * missing), LEAST_ROUND), LARGEST_ROUND))
            fresh = self._word(source, mix, split, missing)
            idle = 0 if fresh else idle + 1
            rows += fresh
        return rows

    def _draw(self, source: _Source, mix: Mix, count: int) -> None:
        """Add to what is ready: requests that are new, of a level that has room, and that the checks let through."""
        drawn: list[tuple[str, Hardness, Asked, tuple[str, ...]]] = []
        for _ in range(DRAWS_A_REQUEST * count):
            if len(drawn) == count:
                break
            shape = mix.draw_shape(source.random)
            asked = source.drawer.draw(shape)
            if asked is None:
                continue
            tree = to_sql(asked)
            level = hardness_of(tree)
            mix.saw(shape, level)
            if not mix.has_room(level):  # nothing is wrong with it, and writing it takes longer than drawing another
                continue
            sql = tree.sql(dialect=source.database.dialect)
            if sql not in source.seen:
                source.seen.add(sql)
                self._passes("drawn", "", sql)
                tables = tuple(sorted({table.name for table in tree.find_all(exp.Table)}))
                drawn.append((shape, level, asked, tables))
        found = source.checker.check([asked for _, _, asked, _ in drawn])
        for checked in found:
            for stage in STAGES:
                if not self._passes(stage, checked.reason if checked.stage == stage else "", checked.sql):
                    break
        source.ready += [
            _Kept(shape, level, checked, tables, derive_seed(self._seed, "question", source.database.id, checked.sql))
            for (shape, level, _, tables), checked in zip(drawn, found, strict=True)
            if not checked.reason
        ]

    def _word(self, source: _Source, mix: Mix, split: str, most: int) -> list[dict]:
        """Rows of at most so many questions out of what is ready; the rest stays for the next round."""
        kept = _take(source.ready, mix, most)
        drafts = [
            SqlDraft(
                seed=item.seed,
                wordings=tuple(
                    dict.fromkeys(tell(item.checked.asked, Random(f"{item.seed} {place}")) for place in range(WORDINGS))
                ),
                clues=(),
                answer=item.checked.sql,
                database=source.database,
            )
            for item in kept
        ]
        worded: list[tuple[_Kept, str]] = []
        for item, wording in zip(kept, self._writer.write(drafts), strict=True):
            if not self._passes("writer", "" if wording.prompt else wording.reason, wording.prompt or wording.detail):
                mix.give_back(item.shape, item.level)
                continue
            keep, reason = self._duplicates.check(f"{source.database.id}: {wording.prompt}")
            if self._passes("duplicates", "" if keep else reason, wording.prompt):
                worded.append((item, wording.prompt))
            else:
                mix.give_back(item.shape, item.level)
        rows = [self._row(item, source.database, self._soiled(item, prompt, source), split) for item, prompt in worded]
        kept = self._judged(rows, mix)
        if split == "train" and self._settings.sql.paraphrases:
            items = {row["id"]: item for row, (item, _) in zip(rows, worded, strict=True)}
            self.paraphrases += self._say_again(kept, items, source)
        return kept

    def _soiled(self, item: _Kept, prompt: str, source: _Source) -> str:
        random = Random(derive_seed(item.seed, "dirty values"))
        is_soiled = random.random() < self._settings.sql.dirty_values
        return soil_values(prompt, item.checked.sql, random, source.synonyms) if is_soiled else prompt

    def _say_again(self, rows: Sequence[dict], items: Mapping[str, _Kept], source: _Source) -> list[dict]:
        """The same questions in other words."""
        again = []
        for row in rows:
            item, said = items[row["id"]], {row["prompt"]}
            for number in range(1, self._settings.sql.paraphrases + 1):
                prompt = capitalise(tell(item.checked.asked, Random(f"{item.seed} paraphrase {number}")))
                if prompt not in said:
                    said.add(prompt)
                    again.append(row | {"id": f"{row['id']}-{number}", "prompt": self._soiled(item, prompt, source)})
        return again

    def _judged(self, rows: list[dict], mix: Mix) -> list[dict]:
        """Those that are neither too easy nor too vague; a question that goes gives its place in the mix back."""
        if self._judge is None or not rows:
            return rows
        settings, kept = self._settings, []
        limits = {"low": settings.difficulty_min_successes, "high": settings.difficulty_max_successes}
        exercises = [Exercise(row["id"], row["prompt"], row["answer"], (), "sql", row["database_id"]) for row in rows]
        for row, successes in zip(rows, self._judge.count_successes(exercises), strict=True):
            keep, reason = within_successes(successes, **limits)
            if self._passes("difficulty", "" if keep else reason, row["prompt"]):
                kept.append(row | {"difficulty": 1 - (successes or 0) / settings.difficulty_attempts})
            else:
                mix.give_back(row["relations"][0], row["level"])
        return kept

    def _passes(self, filter_: str, reason: str, example: str) -> bool:
        self.funnel.count(filter_, reason, example=example)
        return not reason

    def _row(self, item: _Kept, database: Database, prompt: str, split: str) -> dict:
        """A row of data_contracts.questions.QUESTIONS."""
        sql = item.checked.sql
        digest = hashlib.sha256(f"{database.id} {sql}".encode()).hexdigest()[:16]
        return {
            "id": f"sql-{digest}",
            "domain": "sql",
            "prompt": prompt,
            "answer": sql,
            "aliases": [],
            "split": split,
            "hops": len(item.tables),
            "difficulty": DIFFICULTY[item.level],
            "evidence": [],
            "images": None,
            "database_id": database.id,
            "gold_sql": sql,
            "level": item.level,
            "source_ids": [f"{database.id}.{table}" for table in item.tables],
            "relations": [item.shape],
            "writer": self._writer.name,
            "filters_passed": self._filters,
            "seed": item.seed,
        }


@dataclass
class _Source:
    """One database while its questions are made."""

    database: Database
    drawer: Drawer
    checker: Checker
    random: Random
    seen: set[str] = field(default_factory=set)
    ready: list[_Kept] = field(default_factory=list)  # came through the checks, and wait for a place in the mix

    @cached_property
    def synonyms(self) -> Mapping[str, Sequence[str]]:
        return synonyms_of(self.database)

    @property
    def is_empty(self) -> bool:
        return self.drawer.is_empty


def _take(ready: list[_Kept], mix: Mix, most: int) -> list[_Kept]:
    """The first that the mix has room for, taken out of what is ready and counted in the mix."""
    taken: list[_Kept] = []
    for item in list(ready):
        if len(taken) == most:
            break
        if mix.has_room(item.level):
            mix.take(item.shape, item.level)
            ready.remove(item)
            taken.append(item)
    return taken
