"""Distractors widen what an agent has to look through, and change no result."""

from __future__ import annotations

import pytest

from lib.errors import SourceError
from lib.progress import Silent
from lib.settings.databases import DatabaseSettings, EmbeddedDatabases
from lib.sources.sql.collect import collect_databases
from lib.sources.sql.database_set import load_databases
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile
from lib.sources.sql.identifiers import quote_name
from lib.sources.sql.outline import tell_tables

IDS = ("hospital", "university")


@pytest.fixture(scope="module")
def pool():
    with Pool(1) as pool:
        yield pool


@pytest.fixture(scope="module", params=["sqlite", "duckdb"])
def sets(request, tmp_path_factory):
    """(plain, widened) databases by id."""
    found = []
    for tables, columns in ((0, 0), (3, 4)):
        folder = tmp_path_factory.mktemp("set")
        settings = DatabaseSettings(
            source=EmbeddedDatabases(ids=IDS, dialect=request.param),
            distractor_tables=tables,
            distractor_columns=columns,
        )
        collect_databases(settings, out=folder / "out", scratch=folder / "scratch", progress=Silent())
        found.append({database.id: database for database in load_databases(folder / "out")})
    return found


def test_each_database_has_the_wanted_tables_and_columns_of_others_and_their_rows(sets, pool):
    plain, widened = sets
    for id in IDS:
        added = [table for table in widened[id].tables if table.distractor]
        assert len(added) == 3 and not {table.name for table in added} & {table.name for table in plain[id].tables}
        columns = [c for t in widened[id].tables if not t.distractor for c in t.columns if c.distractor]
        assert len(columns) == 4
        file = DatabaseFile.of(widened[id])
        for table in added:
            result = pool.run(file, f"SELECT count(*) FROM {quote_name(table.name)}")
            assert result.rows == ((table.rows,),) and table.rows > 0
            assert table.name in tell_tables(widened[id])


def test_what_was_there_is_as_it_was(sets, pool):
    plain, widened = sets
    for id in IDS:
        for table in plain[id].tables:
            names = ", ".join(quote_name(column.name) for column in table.columns)
            query = f"SELECT {names} FROM {quote_name(table.name)}"
            before, after = (pool.run(DatabaseFile.of(item[id]), query) for item in (plain, widened))
            assert before.ok and before.rows == after.rows


def test_a_database_alone_has_nobody_to_take_from(tmp_path):
    settings = DatabaseSettings(source=EmbeddedDatabases(ids=("hospital",)), distractor_tables=2, distractor_columns=2)
    collect_databases(settings, out=tmp_path / "out", scratch=tmp_path / "scratch", progress=Silent())
    (database,) = load_databases(tmp_path / "out")
    assert not any(table.distractor for table in database.tables)


def test_an_unknown_database_is_told_with_those_that_there_are(tmp_path):
    settings = DatabaseSettings(source=EmbeddedDatabases(ids=("hospitl",)))
    with pytest.raises(SourceError, match="hospitl") as caught:
        collect_databases(settings, out=tmp_path / "out", scratch=tmp_path / "scratch", progress=Silent())
    assert "hospital" in caught.value.next_step
