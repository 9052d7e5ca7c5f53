import pytest

from data_contracts.contract import ArtifactKind
from lib.store.artifact_store import ArtifactStore
from lib.store.lineage import ancestors, open_lineage
from lib.store.manifest import MANIFEST, Cost, Provenance, Reference, RunRecord
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
    if content not in (b"", b"{}"):
        assert str(broken) in caplog.text
