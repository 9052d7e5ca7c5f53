"""Database files made from a script, and the embedded databases, made once a session."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from lib.sources.sql.embedded.build import PLANS, plan_embedded
from lib.sources.sql.embedded.plan import DatabasePlan

Make = Callable[[str], Path]


@pytest.fixture
def make_sqlite(tmp_path: Path) -> Make:
    def make(script: str) -> Path:
        path = tmp_path / "made.sqlite"
        connection = sqlite3.connect(path)
        connection.executescript(script)
        connection.close()
        return path

    return make


@pytest.fixture
def make_duckdb(tmp_path: Path) -> Make:
    def make(script: str) -> Path:
        path = tmp_path / "made.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute(script)
        return path

    return make


@pytest.fixture(params=["sqlite", "duckdb"])
def make(request: pytest.FixtureRequest) -> Make:
    """Both dialects, one after the other."""
    return request.getfixturevalue(f"make_{request.param}")


@pytest.fixture(scope="session")
def plans() -> dict[str, DatabasePlan]:
    return dict(zip(PLANS, plan_embedded(), strict=True))
