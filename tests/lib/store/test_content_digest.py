import duckdb

from lib.store.content_digest import describe_files, digest_files, hash_database


def write_database(path, rows, name="t"):
    name = name.replace('"', '""')
    with duckdb.connect(str(path)) as connection:
        connection.execute(f'CREATE TABLE "{name}" (id INTEGER, note VARCHAR, parts STRUCT(a DOUBLE)[])')
        connection.executemany(f'INSERT INTO "{name}" VALUES (?, ?, [{{a: 0.5}}])', rows)
    return path


def test_a_database_is_hashed_by_its_rows_not_its_bytes(tmp_path):
    rows = [(index, f"row {index}") for index in range(50)]
    first = write_database(tmp_path / "a.duckdb", rows)
    with duckdb.connect(str(tmp_path / "b.duckdb")) as connection:
        connection.execute("CREATE TABLE gone AS SELECT range AS i FROM range(10000)")
        connection.execute("DROP TABLE gone")
    second = write_database(tmp_path / "b.duckdb", rows)
    assert first.read_bytes() != second.read_bytes()
    assert hash_database(first) == hash_database(second)


def test_another_row_value_or_table_name_gives_another_hash(tmp_path):
    hashes = {
        hash_database(write_database(tmp_path / "a.duckdb", [(1, "x")])),
        hash_database(write_database(tmp_path / "b.duckdb", [(1, "y")])),
        hash_database(write_database(tmp_path / "c.duckdb", [(1, "x"), (1, "x")])),
        hash_database(write_database(tmp_path / "d.duckdb", [(1, "x")], name='quoted "t"')),
    }
    assert len(hashes) == 4


def test_a_file_s_path_is_part_of_the_digest_and_its_place_is_not(tmp_path):
    for folder, name in (("one", "a.txt"), ("two", "a.txt"), ("three", "b.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("same")
    one, two, three = (digest_files("k", describe_files(tmp_path / name)) for name in ("one", "two", "three"))
    assert one == two != three
