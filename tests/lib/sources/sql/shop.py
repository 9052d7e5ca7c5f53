"""A small shop as a DuckDB and as an SQLite file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb

from lib.sources.sql.executor.result import DatabaseFile

CITIES = ("Oslo", "Lima", "Pune", "Kyiv", "Bari")
SCHEMA = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, city TEXT)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), amount DOUBLE, "
    "day TEXT)",
    "CREATE VIEW large_orders AS SELECT * FROM orders WHERE amount > 900",
)
NUM_ORDERS = 1000


def write_shop(folder: Path) -> dict[str, DatabaseFile]:
    """Both files, by dialect."""
    customers = [(i, f"customer {i}", CITIES[i % 5]) for i in range(100)]
    orders = [(i, i % 100, float(i), f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}") for i in range(NUM_ORDERS)]
    folder.mkdir(parents=True, exist_ok=True)
    files = {dialect: str(folder / f"shop.{dialect}") for dialect in ("duckdb", "sqlite")}
    for connection in (duckdb.connect(files["duckdb"]), sqlite3.connect(files["sqlite"])):
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO customers VALUES (?, ?, ?)", customers)
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", orders)
        connection.execute("COMMIT")
        connection.close()
    return {dialect: DatabaseFile(dialect, path) for dialect, path in files.items()}
