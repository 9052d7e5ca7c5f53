"""Database files made from scripts, a benchmark's folder, and the artifact that comes of them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from data_contracts.databases import DATABASE_SET
from lib.progress import Progress, Silent
from lib.settings.databases import DatabaseSettings
from lib.sources.sql.collect import collect_databases
from lib.sources.sql.executor.pool import Pool

MUSIC = (
    "CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT, age INTEGER);"
    "INSERT INTO singer VALUES (1, 'Ann', 30), (2, 'Bob', 25), (3, 'Cid', 41);"
    "CREATE TABLE song (title TEXT, singer_id INTEGER REFERENCES singer(id));"
    "INSERT INTO song VALUES ('La', 1), ('Di', 1), ('Da', 3)"
)
TOWNS = "CREATE TABLE town (name TEXT, people INTEGER); INSERT INTO town VALUES ('Aa', 10), ('Bb', 20)"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def write_sqlite(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    return path


def write_duckdb(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute(script)
    return path


def asked(id: str, gold: str | Sequence[str], *, database: str = "music", **more: object) -> dict:
    """A line of ``questions.jsonl``."""
    return {"id": id, "db_id": database, "question": f"What of {id}?", "gold_sql": gold, **more}


def write_benchmark(folder: Path, scripts: Mapping[str, str], questions: Sequence[dict] = ()) -> Path:
    """A folder in the plain layout, of SQLite databases."""
    for id, script in scripts.items():
        write_sqlite(folder / "databases" / f"{id}.sqlite", script)
    (folder / "questions.jsonl").write_text("".join(f"{json.dumps(question)}\n" for question in questions))
    return folder


def write_bird(folder: Path, scripts: Mapping[str, str], questions: Sequence[dict]) -> Path:
    """A folder in BIRD's layout; of a question, ``gold_sql`` is a text."""
    for id, script in scripts.items():
        write_sqlite(folder / "dev_databases" / id / f"{id}.sqlite", script)
    rows = [
        {"question_id": number, "db_id": row["db_id"], "question": row["question"], "SQL": row["gold_sql"]}
        | {"evidence": row.get("evidence", ""), "difficulty": row.get("difficulty", "simple")}
        for number, row in enumerate(questions)
    ]
    (folder / "dev.json").write_text(json.dumps(rows))
    return folder


def collect(out: Path, progress: Progress | None = None, **settings: object) -> Path:
    """The artifact made with ``settings`` of the section [databases]."""
    collect_databases(
        DatabaseSettings.model_validate(settings),
        out=out,
        scratch=out.with_name(f"{out.name} scratch"),
        progress=progress or Silent(),
    )
    return out


def tables_of(artifact: Path) -> dict[str, pa.Table]:
    """The artifact's tables by name, each checked against its contract."""
    read = {contract: pq.read_table(artifact / f"{contract.name}.parquet") for contract in DATABASE_SET.tables}
    return {contract.name: contract.check(table)[0] for contract, table in read.items()}


def kill_busy_worker(pool: Pool) -> int:
    """Kill -9 of the worker that computes, as soon as one does; its process id."""
    pool.wait_until_ready()
    before = {pid: psutil.Process(pid).cpu_times().user for pid in pool.pids}
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for pid, seconds in before.items():
            if psutil.Process(pid).cpu_times().user > seconds + 0.1:
                os.kill(pid, signal.SIGKILL)
                return pid
        time.sleep(0.01)
    raise AssertionError("no worker computes")
