"""What tests of several rooms use."""

import subprocess
import time

import pytest
from hypothesis import settings

# A machine that does something else besides is slow, and no property is wrong for that.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mount)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
    yield mount
    for _ in range(60):  # the process of a run has files open for a moment after its run has ended
        done = subprocess.run(["umount", str(mount)], capture_output=True, text=True)
        if not done.returncode:
            return
        time.sleep(0.5)
    raise OSError(done.stderr)
