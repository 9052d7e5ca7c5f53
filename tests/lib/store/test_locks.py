import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lib.store import locks
from lib.store.locks import exclusive, read_holder, try_exclusive

REPOSITORY = Path(__file__).resolve().parents[3]

HOLD = """
import sys, time
from pathlib import Path
from lib.store.locks import exclusive
with exclusive(Path(sys.argv[1]), run=sys.argv[2]):
    print("holds", flush=True)
    sys.stdin.readline()
"""


def hold_elsewhere(path: Path, run: str) -> subprocess.Popen:
    """A process that holds the lock until a line comes, or its end."""
    command = [sys.executable, "-c", HOLD, str(path), run]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "holds\n"
    return process


@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_who_waits_hears_for_whom_and_goes_on_when_the_holder_ends(tmp_path, end):
    path = tmp_path / "stage.lock"
    process = hold_elsewhere(path, "quick-lark")
    heard = []

    def let_go(holder):
        heard.append(holder)
        process.send_signal(end) if end else process.communicate("\n")

    with exclusive(path, on_wait=let_go):
        assert read_holder(path).pid == os.getpid()
    process.wait()
    [holder] = heard
    assert (holder.pid, holder.run) == (process.pid, "quick-lark")
    assert f"run quick-lark (process {process.pid} on {holder.host}, since " in str(holder)
    assert read_holder(path) is None


def test_each_new_holder_is_told(tmp_path):
    path = tmp_path / "stage.lock"
    processes = [hold_elsewhere(path, "first")]
    heard = []

    def hand_over(holder):
        heard.append(holder.run)
        processes[-1].kill()
        if holder.run == "first":
            processes.append(hold_elsewhere(path, "second"))

    with exclusive(path, on_wait=hand_over):
        pass
    for process in processes:
        process.wait()
    assert heard in (["first", "second"], ["first"])  # the second may come too late for the lock
    processes[-1].kill()


def test_a_holder_that_does_not_sign_is_told_as_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "UNSIGNED_AFTER_S", 0.1)
    path = tmp_path / "stage.lock"
    file = try_exclusive(path)
    heard = []
    threading.Timer(0.6, file.close).start()
    with exclusive(path, on_wait=heard.append):
        assert heard == [None]


def test_a_lock_file_that_was_removed_does_not_let_two_in(tmp_path):
    path = tmp_path / "stage.lock"
    inside = []

    def enter(name):
        with exclusive(path):
            inside.append(name)
            assert len(inside) == 1
            time.sleep(0.3)
            inside.remove(name)

    file = try_exclusive(path)
    threads = [threading.Thread(target=enter, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    path.unlink()
    file.close()
    for thread in threads:
        thread.join()
    assert inside == []
