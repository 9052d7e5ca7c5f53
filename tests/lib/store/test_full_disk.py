import errno
import re

import pytest

from lib.errors import ArtifactError, JobError
from lib.store.full_disk import is_full, lost_disk_explained, tells_full_disk


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_recognised_in_whichever_words_a_library_tells_it(tmp_path, error):
    assert tells_full_disk(error)
    with pytest.raises(ArtifactError, match="disk is full") as caught, lost_disk_explained(tmp_path, kept="all"):
        raise error
    assert (caught.value.where, caught.value.kept) == (str(tmp_path), "all")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, "Read-only file system", "/store/scratch/x"),
        RuntimeError("Error while serializing: I/O error: Read-only file system (os error 30)"),
    ],
)
def test_a_disk_that_takes_no_more_writes_is_told(tmp_path, error):
    with pytest.raises(ArtifactError, match="become read-only") as caught, lost_disk_explained(tmp_path, kept="all"):
        raise error
    assert caught.value.where == str(getattr(error, "filename", None) or tmp_path)


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ValueError("no"), JobError("no space")])
def test_any_other_error_stays_as_it_is(tmp_path, error):
    with pytest.raises(type(error), match=re.escape(str(error))), lost_disk_explained(tmp_path, kept="all"):
        raise error


def test_a_disk_with_room_is_not_full(tmp_path):
    assert not is_full(tmp_path)
    assert not is_full(tmp_path / "absent")
