import subprocess
import sys
from pathlib import Path

from lib.store.holds import FOLDER, Holds, removing
from lib.store.manifest import Reference

REPOSITORY = Path(__file__).resolve().parents[3]
FIRST, SECOND = Reference(kind="text", digest="1" * 64), Reference(kind="text", digest="2" * 64)

HOLD = """
import sys
from pathlib import Path
from lib.store.holds import Holds
from lib.store.manifest import Reference
holds = Holds(Path(sys.argv[1]), "quick-lark")
with holds.steady():
    holds.add(Reference(kind="text", digest="2" * 64))
print("holds", flush=True)
sys.stdin.readline()
"""


def held(root) -> set[Reference]:
    with removing(root) as found:
        return {reference for item in found for reference in item.references}


def test_what_a_run_holds_is_known_as_long_as_the_run_is_there(tmp_path):
    holds = Holds(tmp_path, "calm-owl")
    with holds.steady():
        holds.add(FIRST)
        holds.add(SECOND)
    assert FIRST in holds
    assert held(tmp_path) == {FIRST, SECOND}
    with removing(tmp_path) as found:
        assert [item.holder.run for item in found] == ["calm-owl"]
    del holds, found
    assert held(tmp_path) == set()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_killed_process_holds_nothing(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "holds\n"
    assert held(tmp_path) == {SECOND}
    process.kill()
    process.communicate()
    assert held(tmp_path) == set()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_store_that_cannot_be_written_is_read_without_holding(tmp_path, monkeypatch):
    root = tmp_path / "file"
    root.write_text("")  # no folder can be made below it
    with Holds(root).steady():
        pass
