"""Databases come into the artifact as copies, and questions with gold SQL that runs."""

from __future__ import annotations

import json
import shutil

import pytest
from pydantic import ValidationError

from lib.errors import SourceError
from lib.settings.databases import DatabaseSettings
from lib.sources.sql.database_set import load_databases, load_rules
from lib.sources.sql.executor.pool import Pool
from lib.sources.sql.executor.result import DatabaseFile
from lib.sources.sql.schema import Dialect
from tests.small_databases import MUSIC, TOWNS, collect, tables_of, write_duckdb, write_sqlite

STRANGE = '''
CREATE TABLE "order" ("group" INTEGER PRIMARY KEY, "first name" TEXT, "it's" TEXT, "say ""hi""" DOUBLE);
INSERT INTO "order" VALUES (1, 'Zoë', 'x''y', 1.5), (2, NULL, '', -2.0);
CREATE TABLE "Länder der Welt" ("größe" INTEGER, "город" TEXT, "名前" TEXT);
INSERT INTO "Länder der Welt" VALUES (1, 'Київ', '東京');
CREATE TABLE keyless (a INTEGER, b BLOB);
INSERT INTO keyless VALUES (1, {blob}), (1, {blob}), (NULL, NULL);
CREATE TABLE empty (only_column TEXT);
CREATE VIEW "seen rows" AS SELECT "first name" FROM "order";
'''
BLOBS = {"sqlite": "x'00ff10'", "duckdb": r"'\x00\xFF\x10'::BLOB"}
WRITE = {"sqlite": write_sqlite, "duckdb": write_duckdb}


def ask(database, sql):
    with Pool(1) as pool:
        return pool.run(DatabaseFile.of(database), sql)


def files(*paths):
    return {"type": "files", "paths": [str(path) for path in paths]}


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_the_wanted_embedded_databases_are_collected_and_no_others(tmp_path, dialect):
    ids = ["world_geography", "online_shop"]
    artifact = collect(tmp_path / "out", source={"type": "embedded", "ids": ids, "dialect": dialect})
    rows = tables_of(artifact)["databases"].to_pylist()
    assert [(row["id"], row["benchmark"], row["rule"]) for row in rows] == [(id, "", "tolerant") for id in ids]
    assert {row["file"] for row in rows} == {path.name for path in (artifact / "files").iterdir()}
    for database, row in zip(load_databases(artifact), rows, strict=True):
        tables = [table for table in database.tables if not table.is_view]
        assert database.dialect == dialect and all(table.label for table in tables)
        assert len(database.foreign_keys) == row["num_foreign_keys"] > 0
        assert ask(database, f"SELECT count(*) FROM {tables[0].name}").rows == ((tables[0].rows,),)


def test_an_unknown_embedded_database_is_told(tmp_path):
    with pytest.raises(SourceError, match="no embedded database 'moon'"):
        collect(tmp_path / "out", source={"type": "embedded", "ids": ["moon"]})


def test_files_of_both_engines_and_a_folder_of_tables_are_collected_by_their_names(tmp_path):
    folder = tmp_path / "my tables"
    folder.mkdir()
    (folder / "visits.csv").write_text("day,people\n2024-01-02,3\n2024-01-03,4\n")
    paths = write_sqlite(tmp_path / "music.v2.db", MUSIC), write_duckdb(tmp_path / "towns.duckdb", TOWNS), folder
    artifact = collect(tmp_path / "out", source=files(*paths))
    databases = {database.id: database for database in load_databases(artifact)}
    assert {id: item.dialect for id, item in databases.items()} == {
        "music.v2": Dialect.SQLITE,
        "towns": Dialect.DUCKDB,
        "my tables": Dialect.DUCKDB,
    }
    assert ask(databases["music.v2"], "SELECT count(*) FROM song").rows == ((3,),)
    assert ask(databases["towns"], "SELECT sum(people) FROM town").rows == ((30,),)
    assert ask(databases["my tables"], "SELECT sum(people) FROM visits").rows == ((7,),)
    (row, *_) = tables_of(artifact)["databases"].to_pylist()
    counted = [row[f"num_{name}"] for name in ("tables", "columns", "rows", "foreign_keys")]
    assert counted == [2, 5, 6, 1]


def test_what_a_run_has_seen_stays_when_the_file_changes_or_goes(tmp_path):
    music = write_sqlite(tmp_path / "music.sqlite", MUSIC)
    artifact = collect(tmp_path / "out", source=files(music))
    write_sqlite(music, "DELETE FROM song; ALTER TABLE singer ADD COLUMN born TEXT")
    (database,) = load_databases(artifact)
    assert ask(database, "SELECT * FROM singer, song WHERE title = 'Di' AND id = 1").rows == ((1, "Ann", 30, "Di", 1),)
    music.unlink()
    assert ask(database, "SELECT count(*) FROM song").rows == ((3,),)


def test_an_artifact_that_is_moved_is_read_where_it_lies(tmp_path):
    artifact = collect(tmp_path / "out", source=files(write_sqlite(tmp_path / "music.sqlite", MUSIC)))
    moved = tmp_path / "elsewhere" / "moved"
    shutil.copytree(artifact, moved)
    shutil.rmtree(artifact)
    (database,) = load_databases(moved)
    assert database.path == moved / "files" / "music.sqlite"
    assert ask(database, "SELECT count(*) FROM song").rows == ((3,),)


def test_two_files_of_one_name_are_an_error_that_says_what_to_rename(tmp_path):
    first, second = write_sqlite(tmp_path / "a" / "shop.db", TOWNS), write_duckdb(tmp_path / "b" / "shop.duckdb", TOWNS)
    with pytest.raises(SourceError, match="Two databases are called 'shop'") as raised:
        collect(tmp_path / "out", source=files(first, second))
    assert "rename" in raised.value.next_step


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_told_with_its_place(tmp_path, content):
    path = tmp_path / "broken.sqlite"
    path.write_bytes(content)
    with pytest.raises(SourceError) as raised:
        collect(tmp_path / "out", source=files(path))
    assert raised.value.where == str(path) and raised.value.next_step


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_strange_names_views_blobs_and_tables_without_keys_pass_through(tmp_path, dialect):
    path = WRITE[dialect](tmp_path / "Füße & 'more' \"x\".db", STRANGE.format(blob=BLOBS[dialect]))
    artifact = collect(tmp_path / "out", source=files(path))
    (row,), (database,) = tables_of(artifact)["databases"].to_pylist(), load_databases(artifact)
    assert database.id == row["id"] == path.stem
    assert {table.name for table in database.tables} == {"order", "Länder der Welt", "keyless", "empty", "seen rows"}
    assert [column.name for column in database.table("order").columns] == ["group", "first name", "it's", 'say "hi"']
    assert [column.name for column in database.table("länder der welt").columns] == ["größe", "город", "名前"]
    assert database.table("seen rows").is_view and database.table("keyless").primary_key == ()
    assert ask(database, 'SELECT "名前" FROM "Länder der Welt"').rows == (("東京",),)
    assert ask(database, "SELECT b FROM keyless WHERE a = 1").rows == ((b"\x00\xff\x10",),) * 2
    assert "path" not in json.loads(row["schema"])


def test_equal_files_give_equal_tables(tmp_path):
    path = write_duckdb(tmp_path / "strange.duckdb", STRANGE.format(blob=BLOBS["duckdb"]))
    first, second = (tables_of(collect(tmp_path / name, source=files(path))) for name in ("one", "two"))
    assert first == second


def test_rules_are_known_by_database(tmp_path):
    paths = write_sqlite(tmp_path / "music.sqlite", MUSIC), write_sqlite(tmp_path / "towns.sqlite", TOWNS)
    assert load_rules(collect(tmp_path / "out", source=files(*paths))) == {"music": "tolerant", "towns": "tolerant"}


def test_benchmarks_of_one_name_are_no_settings():
    with pytest.raises(ValidationError, match="different names"):
        DatabaseSettings.model_validate({"benchmarks": [{"folder": "a/spider"}, {"folder": "b/spider"}]})
