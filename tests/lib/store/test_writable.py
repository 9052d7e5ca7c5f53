"""What stands in the way of a store is told before anything starts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from lib.errors import ArtifactError
from lib.store.writable import require_writable


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    require_writable(tmp_path / "new" / "store")
    assert not list((tmp_path / "new" / "store").iterdir())


def test_a_store_below_a_file_is_told(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ArtifactError, match="cannot be written: Not a directory") as caught:
        require_writable(tmp_path / "notes.txt" / "store")
    assert "--store" in caught.value.next_step and "notes.txt" in caught.value.where


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no file system that refuses even root a folder")
def test_a_store_where_no_folder_can_be_made_is_told():
    with pytest.raises(ArtifactError, match="cannot be written"):
        require_writable(Path("/proc/ropewalk"))


@pytest.mark.parametrize("filled", [1.0, 0.7])
def test_a_full_disk_is_told_before_a_server_starts(small_disk, filled):
    with (small_disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        file.write(bytes(int(2 * 1024 * 1024 * filled)))
    with pytest.raises(ArtifactError, match="The disk is full") as caught:
        require_writable(small_disk / "store")
    assert caught.value.kept == "all published artifacts"
