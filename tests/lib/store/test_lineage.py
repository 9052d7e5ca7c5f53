import duckdb
import pytest

from data_contracts.contract import ArtifactKind
from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.lineage import open_lineage, write_lineage
from lib.store.manifest import MANIFEST, Cost, Provenance, Reference, RunRecord
from lib.store.relatives import ancestors, descendants
from lib.store.run_index import RunIndex

KIND = ArtifactKind(name="text", tables=())


def publish(store: ArtifactStore, text: str, inputs: dict[str, Reference]) -> Reference:
    """An artifact of one file, made by a stage of the same name."""
    out = store.root / "out"
    out.mkdir(parents=True)
    (out / "text.txt").write_text(text)
    provenance = Provenance(
        stage=text,
        fingerprint=text.ljust(64, "0"),
        components={},
        inputs=inputs,
        cost=Cost(seconds=1, peak_memory_mb=1),
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:00:01Z",
    )
    reference = store.publish(KIND, out, provenance)
    RunIndex(store).record(RunRecord(artifact=reference, provenance=provenance))
    return reference


@pytest.mark.parametrize("content", [b"", b'{"kind": "text", "dig', bytes(range(256)), b"[1, 2]", b"{}"])
def test_a_broken_record_is_left_out_and_the_others_are_still_told(tmp_path, caplog, content):
    store = ArtifactStore(tmp_path / "store")
    first = publish(store, "first", {})
    second = publish(store, "second", {"first": first})
    third = publish(store, "third", {})
    broken = store.path(third) / MANIFEST
    for path in (broken, next((store.root / "runs" / "third").iterdir())):
        path.write_bytes(content)
    assert [row["stage"] for row in ancestors(store, second.digest)] == ["second", "first"]
    with open_lineage(store) as connection:
        stages = connection.sql("SELECT stage FROM stage_runs WHERE stage IS NOT NULL ORDER BY stage").fetchall()
    assert stages == [("first",), ("second",)]
    assert str(broken) in caplog.text


def test_relatives_are_found_both_ways_with_their_distance(tmp_path):
    store = ArtifactStore(tmp_path / "store")
    first = publish(store, "first", {})
    second = publish(store, "second", {"first": first})
    third = publish(store, "third", {"first": first, "second": second})
    up = [(row["stage"], row["depth"]) for row in ancestors(store, third.digest)]
    down = [(row["stage"], row["depth"]) for row in descendants(store, first.digest)]
    assert up == [("third", 0), *sorted([("first", 1), ("second", 1)], key=lambda pair: digest_of(store, pair[0]))]
    assert down[0] == ("first", 0) and set(down[1:]) == {("second", 1), ("third", 1)}
    [_, child] = descendants(store, second.digest)
    assert child["inputs"] == [{"stage": "first", "digest": first.digest}, {"stage": "second", "digest": second.digest}]


def digest_of(store, stage: str) -> str:
    return RunIndex(store).latest(stage).artifact.digest


def test_the_tables_stand_in_a_file_that_duckdb_opens(tmp_path):
    store = ArtifactStore(tmp_path / "store")
    first = publish(store, "first", {})
    publish(store, "second", {"first": first})
    path = tmp_path / "lineage.duckdb"
    for _ in range(2):  # the second replaces the first
        write_lineage(store, path)
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for (name,) in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()
        }
        assert connection.execute("SELECT typeof(finished_at), rows, size > 0 FROM artifacts LIMIT 1").fetchone() == (
            "TIMESTAMP WITH TIME ZONE", {}, True
        )  # fmt: skip
        assert connection.execute("SELECT input_digest FROM inputs").fetchone() == (first.digest,)
    assert rows == {"artifacts": 2, "stage_runs": 2, "inputs": 1, "costs": 2}
    assert sorted(item.name for item in tmp_path.iterdir()) == ["lineage.duckdb", "store"]


def test_the_tables_of_an_empty_store_are_empty(tmp_path):
    with open_lineage(ArtifactStore(tmp_path / "none")) as connection:
        assert connection.sql("FROM artifacts").fetchall() == []
        assert connection.sql("FROM inputs").fetchall() == []


def test_a_run_whose_record_is_lost_is_told_by_the_manifest(tmp_path):
    store = ArtifactStore(tmp_path / "store")
    first = publish(store, "first", {})
    publish(store, "second", {"first": first})
    for path in (store.root / "runs").rglob("*.json"):
        path.unlink()
    with open_lineage(store) as connection:
        assert connection.sql("SELECT stage FROM stage_runs ORDER BY stage").fetchall() == [("first",), ("second",)]
        assert connection.sql("SELECT input_stage FROM inputs").fetchall() == [("first",)]


def test_a_file_that_is_no_database_is_not_replaced(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ArtifactError, match="no DuckDB file"):
        write_lineage(ArtifactStore(tmp_path / "store"), path)
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_lineage(ArtifactStore(tmp_path / "store"), tmp_path / "nowhere" / "lineage.duckdb")
    assert path.read_text() == "mine"


def test_a_whole_store_is_told_without_a_warning(tmp_path, caplog):
    store = ArtifactStore(tmp_path / "store")
    publish(store, "first", {})
    RunIndex(store).set_last("first", "first".ljust(64, "0"))
    with open_lineage(store) as connection:
        assert connection.sql("SELECT count(*) FROM stage_runs").fetchall() == [(1,)]
    assert caplog.text == ""


def test_older_clients_open_the_file(tmp_path):
    store = ArtifactStore(tmp_path / "store")
    publish(store, "first", {})
    write_lineage(store, tmp_path / "lineage.duckdb")
    version = int.from_bytes((tmp_path / "lineage.duckdb").read_bytes()[12:20], "little")
    assert version <= 65  # what 1.2 reads; the version of the library's own format is higher
