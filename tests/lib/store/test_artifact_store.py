import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_contracts.contract import ArtifactKind, Contract, required
from lib.errors import ArtifactError
from lib.store.artifact_store import ArtifactStore
from lib.store.manifest import MANIFEST, Cost, Provenance, Reference

NUMBERS = Contract(name="numbers", version=1, schema=pa.schema([required("value", pa.int64())]))
KIND = ArtifactKind(name="numbers", tables=(NUMBERS,), summary="numbers")


def write_numbers(directory: Path, values=(1, 2, 3)) -> Path:
    directory.mkdir(parents=True)
    pq.write_table(pa.table({"value": pa.array(values, pa.int64())}), directory / "numbers.parquet")
    (directory / "checkpoint").mkdir()
    (directory / "checkpoint" / "model.bin").write_bytes(bytes(range(256)) * 40)
    return directory


def provenance(fingerprint="f" * 64) -> Provenance:
    return Provenance(
        stage="count",
        fingerprint=fingerprint,
        components={},
        inputs={},
        cost=Cost(seconds=1, peak_memory_mb=1),
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:00:01Z",
    )


def ended_now(given: Provenance) -> Provenance:
    """The provenance of a stage that ends now."""
    return given.model_copy(update={"finished_at": datetime.now(UTC)})


@pytest.fixture
def store(tmp_path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def published(store, tmp_path) -> Reference:
    return store.publish(KIND, write_numbers(tmp_path / "out"), provenance())


def test_a_published_artifact_is_named_by_its_content_alone(store, tmp_path, published):
    again = ArtifactStore(tmp_path / "other").publish(KIND, write_numbers(tmp_path / "out"), provenance("e" * 64))
    different = store.publish(KIND, write_numbers(tmp_path / "out", (1, 2, 4)), provenance())
    assert again == published
    assert different.digest != published.digest


def test_a_manifest_counts_rows_and_bytes(store, published):
    manifest = store.verify(published)
    assert manifest.rows == {"numbers": 3}
    assert manifest.size == sum(entry.size for entry in manifest.files)
    assert [entry.path for entry in manifest.files] == ["checkpoint/model.bin", "numbers.parquet"]


def test_a_changed_byte_is_found_even_when_size_and_modification_time_are_restored(store, published):
    store.verify(published)
    path = store.path(published) / "checkpoint" / "model.bin"
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(ArtifactError, match="the bytes of checkpoint/model.bin have changed"):
        store.verify(published)


def test_a_cut_file_is_found(store, published):
    path = store.path(published) / "checkpoint" / "model.bin"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactError, match="has 100 bytes instead of 10,240"):
        store.verify(published)


def test_a_missing_file_and_a_broken_manifest_are_found(store, published):
    (store.path(published) / "numbers.parquet").unlink()
    with pytest.raises(ArtifactError, match="numbers.parquet is missing"):
        store.verify(published)
    (store.path(published) / MANIFEST).write_text("{")
    with pytest.raises(ArtifactError, match="manifest is broken"):
        store.verify(published)
    (store.path(published) / MANIFEST).unlink()
    with pytest.raises(ArtifactError, match="manifest is missing"):
        store.verify(published)


def test_a_manifest_of_a_newer_format_is_told_from_a_broken_one(store, published):
    path = store.path(published) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2, "new_key": 1}))
    with pytest.raises(ArtifactError, match="has format 2, and this version of Ropewalk reads format 1"):
        store.verify(published)


def test_a_file_that_cannot_be_read_makes_the_artifact_unusable(store, published, monkeypatch):
    def fail(memo, path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("lib.store.hash_memo.HashMemo.digest", fail)
    with pytest.raises(ArtifactError, match=r"model\.bin cannot be read \(Input/output error\)"):
        store.verify(published)


@pytest.mark.parametrize("is_dangling", [False, True])
def test_an_artifact_may_be_a_link_to_another_place(store, tmp_path, published, is_dangling):
    place = store.path(published)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / ("nowhere" if is_dangling else "elsewhere"))
    assert store.publish(KIND, write_numbers(tmp_path / "out"), provenance()) == published
    store.verify(published)
    assert place.is_symlink() is not is_dangling


def test_publishing_over_a_damaged_artifact_replaces_it_and_keeps_the_damaged_files(store, tmp_path, published):
    (store.path(published) / "checkpoint" / "model.bin").write_bytes(b"short")
    assert store.publish(KIND, write_numbers(tmp_path / "out"), provenance()) == published
    store.verify(published)
    [aside] = (tmp_path / "store" / "damaged" / "numbers").iterdir()
    assert (aside / "checkpoint" / "model.bin").read_bytes() == b"short"


def test_publishing_the_same_content_again_keeps_the_first_manifest(store, tmp_path, published):
    store.publish(KIND, write_numbers(tmp_path / "out"), provenance("e" * 64))
    assert store.manifest(published).provenance.fingerprint == "f" * 64
    assert not (tmp_path / "out").exists()


def test_untouched_files_are_not_read_again(store, published, tmp_path, monkeypatch):
    for entry in store.manifest(published).files:
        os.utime(store.path(published) / entry.path)
    import lib.store.hash_memo as hash_memo

    monkeypatch.setattr(hash_memo, "SETTLED_NS", -1)
    store.verify(published)
    read = []
    monkeypatch.setattr(hash_memo, "hash_file", lambda path: read.append(path))
    store.verify(published)
    assert read == []


def test_what_was_hashed_to_publish_it_is_not_read_again_to_verify_it(store, tmp_path, monkeypatch):
    files = write_numbers(tmp_path / "out")
    link = tmp_path / "also here"
    link.hardlink_to(files / "checkpoint" / "model.bin")
    published = store.publish(KIND, files, ended_now(provenance()))
    link.unlink()
    store.remember(published)
    read = []
    monkeypatch.setattr("lib.store.hash_memo.hash_file", lambda path: read.append(path.name))
    store.verify(published)
    assert read == []
    (store.path(published) / "checkpoint" / "model.bin").write_bytes(bytes(256 * 40))
    with pytest.raises(ArtifactError, match=r"the bytes of checkpoint/model\.bin have changed"):
        store.verify(published)
    assert read == ["model.bin"]


def test_a_file_written_while_it_was_published_is_read_again(store, tmp_path):
    published = store.publish(KIND, write_numbers(tmp_path / "out"), ended_now(provenance()))
    model = store.path(published) / "checkpoint" / "model.bin"
    model.write_bytes(bytes(256 * 40))
    store.remember(published)
    with pytest.raises(ArtifactError, match=r"the bytes of checkpoint/model\.bin have changed"):
        store.verify(published)


def test_an_artifact_is_found_by_the_beginning_of_its_digest(store, published):
    assert store.find(published.digest[:8]) == published
    assert store.find(f"numbers/{published.digest[:8]}") == published
    assert store.find(str(store.path(published))) == published
    for unknown in ("zzzz", "other/" + published.digest[:8], "", "/", "../*", "/nowhere/" + published.digest):
        with pytest.raises(ArtifactError, match="No artifact"):
            store.find(unknown)


def test_a_beginning_that_fits_several_digests_names_them(store, tmp_path):
    digits = set()
    for value in range(17):  # more than there are hexadecimal digits
        digits.add(store.publish(KIND, write_numbers(tmp_path / "out", (value,)), provenance()).digest[0])
    shared = next(digit for digit in sorted(digits) if sum(m.digest[0] == digit for m in store.list()) > 1)
    with pytest.raises(ArtifactError, match="artifacts have a digest"):
        store.find(shared)


PUBLISH = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
import test_artifact_store as helpers
from lib.store import artifact_store
store = artifact_store.ArtifactStore(Path({store!r}))
{before}
print(store.publish(helpers.KIND, helpers.write_numbers(Path({out!r})), helpers.provenance()).digest)
"""


def publish_in_process(store: Path, out: Path, before: str = "") -> subprocess.Popen:
    path = [str(Path(__file__).parent), str(Path(__file__).parents[3])]
    code = PUBLISH.format(path=path, store=str(store), out=str(out), before=textwrap.dedent(before))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("where", "before"),
    [
        ("before the manifest", "artifact_store.write_atomically = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"),
        ("after the manifest", "os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"),
    ],
)
def test_a_process_killed_while_publishing_leaves_nothing_that_looks_finished(tmp_path, where, before):
    process = publish_in_process(tmp_path / "store", tmp_path / "out", before)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    store = ArtifactStore(tmp_path / "store")
    assert store.list() == []
    reference = store.publish(KIND, write_numbers(tmp_path / "again"), provenance())
    store.verify(reference)


def test_processes_that_publish_the_same_content_at_once_agree(tmp_path):
    processes = [publish_in_process(tmp_path / "store", tmp_path / f"out{index}") for index in range(4)]
    digests = {process.communicate()[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    store = ArtifactStore(tmp_path / "store")
    [manifest] = store.list()
    assert digests == {manifest.digest}
    store.verify(manifest.reference)


def test_artifacts_on_another_file_system_are_explained(small_disk, tmp_path):
    (tmp_path / "store").mkdir()
    (small_disk / "artifacts").mkdir()
    (tmp_path / "store" / "artifacts").symlink_to(small_disk / "artifacts")
    with pytest.raises(ArtifactError, match="two file systems") as caught:
        ArtifactStore(tmp_path / "store").publish(KIND, write_numbers(tmp_path / "out"), provenance())
    assert str(tmp_path / "store") in caught.value.next_step
    assert (tmp_path / "out" / "numbers.parquet").exists()


def test_a_full_disk_is_explained_and_leaves_nothing_half_written(small_disk):
    store = ArtifactStore(small_disk / "store")
    kept = store.publish(KIND, write_numbers(small_disk / "out"), provenance())
    out = write_numbers(small_disk / "out", (7,))
    filler = small_disk / "filler"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(ArtifactError, match="disk is full"):
        store.publish(KIND, out, provenance())
    assert [manifest.reference for manifest in store.list()] == [kept]
    assert not [path for path in small_disk.rglob(".*")]
    filler.unlink()
    store.verify(store.publish(KIND, out, provenance()))
