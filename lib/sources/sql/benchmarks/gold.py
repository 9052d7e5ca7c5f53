"""Gold SQL that people wrote is run once: a question without a result to compare with cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot.errors import SqlglotError

from lib.progress import Progress
from lib.settings.databases import BenchmarkFolder, Rule
from lib.sources.sql.benchmarks.benchmark import BenchmarkRow
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile, Result
from lib.sources.sql.hardness import hardness_of
from lib.sources.sql.results.spider import statement_to_run
from lib.sources.sql.schema import Database

ROUND = 500  # questions whose gold SQL runs between two words of progress
TEXT_LENGTH = 500  # of a row that is set aside


def check_gold(
    rows: Sequence[BenchmarkRow],
    databases: Mapping[str, Database],
    folder: BenchmarkFolder,
    benchmark: str,
    *,
    pool: Pool,
    seconds: float,
    progress: Progress,
) -> tuple[list[dict], list[dict]]:
    """Rows of ``written_questions``, whose gold SQL runs, and of ``rejected_rows``.

    Args:
        databases: by the folder's ids.
    """
    kept, rejected = [], []
    for start in range(0, len(rows), ROUND):
        part = rows[start : start + ROUND]
        asked = [(databases[row.database_id], sql) for row in part for sql in row.gold_sql]
        results = iter(
            pool.run_many(
                [(DatabaseFile.of(database), _as_compared(sql, folder.rule)) for database, sql in asked],
                Limits(seconds=seconds),
            )
        )
        for row in part:
            outcomes = [(sql, next(results)) for sql in row.gold_sql]
            faults = [_fault(result) for _, result in outcomes]
            usable = [sql for (sql, _), fault in zip(outcomes, faults, strict=True) if not fault]
            if usable:
                kept.append(_written(row, databases[row.database_id], usable, benchmark=benchmark))
            else:
                text = f"{row.question} {row.gold_sql[0]}"
                rejected.append(rejected_row(str(folder.folder), row.position, text, f"gold SQL: {faults[0]}"))
        progress.update(min(start + ROUND, len(rows)), len(rows), f"{folder.title}: gold SQL")
    return kept, rejected


def _as_compared(sql: str, rule: Rule) -> str:
    return statement_to_run(sql) if rule == "spider" else sql


def _fault(result: Result) -> str:
    if result.error:
        return f"{result.error.kind}: {result.error.message}"
    return f"more than {len(result.rows):,} rows" if result.truncated else ""


def rejected_row(file: str, position: int, content: str, reason: str) -> dict:
    """A row of ``rejected_rows``; ``position`` counts from 0."""
    return {"file": file, "line": position + 1, "content": content[:TEXT_LENGTH], "reason": reason}


def _written(row: BenchmarkRow, database: Database, gold: list[str], *, benchmark: str) -> dict:
    return {
        "id": row.id,
        "benchmark": benchmark,
        "position": row.position,
        "database_id": database.id,
        "prompt": row.question,
        "gold_sql": gold,
        "evidence": "\n".join(filter(None, (row.evidence, row.external_knowledge))),
        "level": row.hardness or _level(gold[0], database),
    }


def _level(sql: str, database: Database) -> str:
    try:
        return hardness_of(sql, database.dialect)
    except SqlglotError:
        return "unknown"
