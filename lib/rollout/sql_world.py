"""Databases that are queried; an answer is right where its result is the gold one's.

The pool of query workers starts with the first environment and ends with the world.
"""

from __future__ import annotations

import weakref
from functools import cached_property
from pathlib import Path

from lib.environments.environment import Environment, Question
from lib.environments.sql import DatabaseLostError, SqlEnvironment, sql_desk
from lib.errors import JobError
from lib.rewards.sql_parts import sql_reward
from lib.rewards.strict import strict_reward
from lib.rewards.verdict import Outcome, Verdict
from lib.settings.environment import EnvironmentSettings
from lib.sources.sql.database_set import load_databases, load_rules
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile, Result
from lib.sources.sql.results.compare import same_result
from lib.sources.sql.results.key import result_key
from lib.sources.sql.results.spider import order_matters, statement_to_run
from lib.sources.sql.schema import Database

MOST_GOLD_RESULTS = 20_000  # that are remembered: every epoch and every sample asks for the same ones


class SqlWorld:
    """See lib.rollout.worlds.World.

    Args:
        databases: the folder of a `databases` artifact.
        in_parts: whether an episode earns MTIR-SQL's parts, or 1 for a right answer and else 0.
    """

    def __init__(self, databases: Path, settings: EnvironmentSettings, *, in_parts: bool = False):
        self._databases = {database.id: database for database in load_databases(databases, benchmark=None)}
        self._rules = load_rules(databases)
        self._settings, self._in_parts = settings, in_parts
        self._desk = sql_desk(settings)
        self._gold: dict[tuple[str, str], Result] = {}

    @cached_property
    def _pool(self) -> Pool:
        pool = Pool(self._settings.sql.workers, memory_mb=self._settings.sql.worker_memory_mb)
        weakref.finalize(self, pool.close)
        return pool

    def make_environment(self, question: Question) -> Environment:
        return SqlEnvironment(self._database(question), self._pool, self._settings, self._desk)

    async def judge(self, question: Question, outcome: Outcome) -> Verdict:
        """Raises DatabaseLostError where the database, and not the answer, is at fault."""
        database, correct, result = self._database(question), False, None
        if outcome.answer:
            result = await self._run(database, outcome.answer)
            for gold in (question.answer, *question.aliases):
                correct = correct or same_result(
                    await self._run_gold(database, gold),
                    result,
                    self._rules[database.id],
                    ordered=order_matters(gold),
                )
        executable = result is not None and result.ok
        if self._in_parts:
            reward = sql_reward(well_formed=outcome.well_formed, executable=executable, correct=correct)
        else:
            reward = strict_reward(
                correct=correct, well_formed=outcome.well_formed, queries=outcome.queries, redundancy_weight=0.0
            )
        return Verdict(correct, reward, result_key(result) if result else None)

    def _database(self, question: Question) -> Database:
        found = self._databases.get(question.database_id or "")
        if found is None:
            raise JobError(
                f"The question {question.id} is about the database {question.database_id!r}, which the run lacks.",
                kept="every stage before this one",
                next_step=f"name it in databases.source; the run has {', '.join(sorted(self._databases)[:20])}",
            )
        return found

    async def _run_gold(self, database: Database, sql: str) -> Result:
        if (key := (database.id, sql)) not in self._gold:
            result = await self._run(database, sql)
            if not result.ok:
                raise DatabaseLostError(f"the gold query gave no result: {result.error.message}")
            if len(self._gold) >= MOST_GOLD_RESULTS:
                self._gold.clear()
            self._gold[key] = result
        return self._gold[key]

    async def _run(self, database: Database, sql: str) -> Result:
        if self._rules[database.id] == "spider":
            sql = statement_to_run(sql)
        limits = Limits(seconds=self._settings.sql.query_seconds, rows=self._settings.sql.answer_rows)
        result = await self._pool.run_async(DatabaseFile.of(database), sql, limits)
        if result.error and not result.error.kind.is_fault_of_query:
            raise DatabaseLostError(result.error.message)
        return result
