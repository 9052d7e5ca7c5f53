import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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


TIMED = pa.schema(
    [
        pa.field("id", pa.int64()),
        pa.field(
            "calls",
            pa.list_(pa.struct([("name", pa.string()), pa.field("s", pa.float64(), metadata=dict(measured="yes"))])),
        ),
        pa.field("seconds", pa.float64(), metadata={"measured": "yes"}),
    ]
)


@pytest.mark.parametrize(
    ("changes", "same"),
    [({"seconds": 9.0}, True), ({"calls": 7.0}, True), ({"id": 2}, False), ({"name": "open"}, False)],
)
def test_what_was_measured_is_no_part_of_the_digest(tmp_path, changes, same):
    def digest(folder, seconds=1.0, calls=1.0, id=1, name="search"):
        (tmp_path / folder).mkdir()
        row = {"id": id, "calls": [{"name": name, "s": calls}], "seconds": seconds}
        pq.write_table(pa.Table.from_pylist([row] * 3, schema=TIMED), tmp_path / folder / "t.parquet")
        (entry,) = describe_files(tmp_path / folder)
        return entry.content, entry.sha256

    (first, bytes_), (second, others) = digest("a"), digest("b", **changes)
    assert (first == second) is same
    assert bytes_ != others


def test_a_file_s_path_is_part_of_the_digest_and_its_place_is_not(tmp_path):
    for folder, name in (("one", "a.txt"), ("two", "a.txt"), ("three", "b.txt")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("same")
    one, two, three = (digest_files("k", describe_files(tmp_path / name)) for name in ("one", "two", "three"))
    assert one == two != three
