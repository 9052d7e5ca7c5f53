"""Small queries a second through the executor's pool, against the bare driver in one process.

    python -m benchmarks.sql_executor [--queries 3000] [--workers 1] [--rounds 3]

Prints, for each dialect and query, how many run a second in the bare driver on one open connection, through the pool
handed in together, and through the pool one at a time, and the share of the bare driver's speed; then what the start
of a worker, a first session (the database is opened) and a warm one take. Each figure is the best of the rounds.
Processor time is that of the pool's process and its workers together: queries a second per core follow from it on a
machine that does other things as well.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import psutil

from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile

NUM_ROWS = 1000
QUERIES = {
    "a constant": "SELECT 1",
    "a count with a condition": "SELECT count(*) FROM items WHERE price < 500",
    "ten rows": "SELECT id, name, price FROM items LIMIT 10",
    "a group": "SELECT kind, count(*), avg(price) FROM items GROUP BY kind",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queries", type=int, default=3000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        databases = [write(dialect, Path(folder) / f"items.{dialect}") for dialect in ("sqlite", "duckdb")]
        started = time.perf_counter()
        with Pool(arguments.workers) as pool:
            pool.wait_until_ready()
            print(f"{len(pool.pids)} workers ready after {time.perf_counter() - started:.2f} s")
            sessions(pool, Path(folder))
            print(f"{'':32} {'bare/s':>8} {'pool/s':>8} {'share':>6} {'one by one/s':>12} {'pool/s/core':>12}")
            for database in databases:
                for name, sql in QUERIES.items():
                    speeds(pool, database, name, sql, arguments.queries, arguments.rounds)


def write(dialect: str, path: Path) -> DatabaseFile:
    connection = duckdb.connect(str(path)) if dialect == "duckdb" else sqlite3.connect(path)
    connection.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, kind TEXT, price DOUBLE)")
    connection.execute("BEGIN")
    rows = [(i, f"item {i}", f"kind {i % 7}", i * 0.5) for i in range(NUM_ROWS)]
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()
    return DatabaseFile(dialect, str(path))


def speeds(pool: Pool, database: DatabaseFile, name: str, sql: str, num_queries: int, rounds: int) -> None:
    connection = bare_connection(database)
    processes = [psutil.Process(), *map(psutil.Process, pool.pids)]
    few = num_queries // 10
    bare, together, single, per_core = [], [], [], []
    for _ in range(rounds):
        bare.append(num_queries / seconds(lambda: [connection.execute(sql).fetchall() for _ in range(num_queries)]))
        before = sum(cpu_seconds(process) for process in processes)
        together.append(num_queries / seconds(lambda: run_all(pool, database, sql, num_queries)))
        per_core.append(num_queries / (sum(cpu_seconds(process) for process in processes) - before))
        single.append(few / seconds(lambda: [pool.run(database, sql) for _ in range(few)]))
    share = max(together) / max(bare)
    print(
        f"{database.dialect + ', ' + name:32} {max(bare):8.0f} {max(together):8.0f} {share:6.2f} "
        f"{max(single):12.0f} {max(per_core):12.0f}"
    )


def run_all(pool: Pool, database: DatabaseFile, sql: str, num_queries: int) -> None:
    failures = [result.error for result in pool.run_many([(database, sql)] * num_queries) if not result.ok]
    assert not failures, f"{len(failures)} queries failed, the first: {failures[0]}"


def sessions(pool: Pool, folder: Path) -> None:
    """The first query on a database that no worker has open, and the one after it."""
    for dialect in ("sqlite", "duckdb"):
        cold, warm = [], []
        for i in range(10):
            database = write(dialect, folder / f"session {i}.{dialect}")
            cold.append(seconds(lambda database=database: pool.run(database, "SELECT count(*) FROM items")))
            warm.append(seconds(lambda database=database: pool.run(database, "SELECT count(*) FROM items")))
        cold_ms, warm_ms = (1000 * statistics.median(times) for times in (cold, warm))
        print(f"{dialect}: a session starts in {cold_ms:.1f} ms cold, {warm_ms:.2f} ms warm (median of 10)")


def bare_connection(database: DatabaseFile) -> sqlite3.Connection | duckdb.DuckDBPyConnection:
    if database.dialect == "sqlite":
        return sqlite3.connect(f"file:{database.path}?mode=ro&immutable=1", uri=True)
    return duckdb.connect(database.path, read_only=True, config={"threads": "1"})


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
