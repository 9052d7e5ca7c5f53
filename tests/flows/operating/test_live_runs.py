"""Runs whose process died without a word: a real server, real processes, really killed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flows.operating import live_runs, watch_runs
from flows.operating.live_runs import FOLDER, LiveRun, mark_dead_runs
from flows.operating.prefect_api import ask
from flows.operating.watch_runs import runs_watched
from lib.store.locks import Holder

REPOSITORY = Path(__file__).resolve().parents[3]
# A flow that is noted as a run of the chain is, says where it is, and stays in a task.
PROGRAM = """
import os, sys, time
from pathlib import Path
from prefect import flow, task
from prefect.runtime import flow_run
from flows.hooks import HOOKS
from flows.operating.live_runs import note_live
from flows.operating.settle import settled_if_interrupted
from flows.operating.signals import interrupt_on_signals
from flows.operating.watch_runs import runs_watched

@task
def stay(seconds):
    print(flow_run.id, flush=True)
    time.sleep(seconds)

@flow(name="staying", **HOOKS)
def staying(store, seconds):
    note_live(Path(store), flow_run=str(flow_run.id), run_count=flow_run.run_count,
              server=sys.argv[2], name=flow_run.name)
    stay(seconds)

interrupt_on_signals()
with runs_watched(Path(sys.argv[1]), os.environ["PREFECT_API_URL"]), settled_if_interrupted():
    staying(sys.argv[1], float(sys.argv[3]))
"""
# The same at a server of its own, which ends with it.
WITH_ITS_SERVER = """
import os, sys
from pathlib import Path
from flows.operating.server import serving
with serving(Path(sys.argv[1])) as server:
    server.wait()
    sys.argv[2] = os.environ["PREFECT_API_URL"]
    exec(sys.argv[4])
"""

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def start(server, tmp_path):
    """Start the program; returns the process and its flow run once it is in its task."""
    started = []

    def run(seconds: float = 60.0, address: str = "") -> tuple[subprocess.Popen, str]:
        environment = os.environ | {"PREFECT_API_URL": server.url, "PYTHONPATH": str(REPOSITORY)}
        line = [sys.executable, "-c", PROGRAM, str(tmp_path), address or server.url, str(seconds)]
        process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=tmp_path
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield run
    for process in started:
        process.kill()
        process.wait()


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
    return found


def state_of(server, flow_run):
    return ask(server.url, f"flow_runs/{flow_run}")["state"]


def task_states(server, flow_run):
    found = ask(server.url, "task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run]}}})
    return [task_run["state_name"] for task_run in found]


def test_a_run_whose_process_was_killed_becomes_crashed_with_its_task_runs(server, start, tmp_path):
    process, flow_run = start()
    wait_for(lambda: task_states(server, flow_run) == ["Running"])
    assert mark_dead_runs(tmp_path, server.url) == []
    assert state_of(server, flow_run)["name"] == "Running"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state_of(server, flow_run)["name"] == "Running"
    assert mark_dead_runs(tmp_path, server.url) == [flow_run]
    state = state_of(server, flow_run)
    assert state["name"] == "Crashed" and f"process {process.pid} on" in state["message"]
    assert task_states(server, flow_run) == ["Crashed"]
    assert list((tmp_path / FOLDER).iterdir()) == []
    assert mark_dead_runs(tmp_path, server.url) == []


def test_whoever_lives_marks_it_without_being_asked(server, start, tmp_path):
    process, flow_run = start()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with runs_watched(tmp_path, server.url):
        wait_for(lambda: state_of(server, flow_run)["name"] == "Crashed")


def test_a_run_that_ends_by_itself_leaves_no_note(server, start, tmp_path):
    process, flow_run = start(seconds=0.0)
    process.wait(timeout=60)
    assert state_of(server, flow_run)["name"] == "Completed"
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_run_that_was_being_cancelled_becomes_cancelled(server, start, tmp_path):
    process, flow_run = start()
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": True}
    ask(server.url, f"flow_runs/{flow_run}/set_state", state)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert mark_dead_runs(tmp_path, server.url) == [flow_run]
    assert state_of(server, flow_run)["name"] == "Cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_has_told_all_of_its_end_before_its_process_is_gone(server, start, tmp_path, number):
    process, flow_run = start()
    process.send_signal(number)
    assert process.wait(timeout=60) != 0
    assert task_states(server, flow_run) == ["Crashed"]
    assert state_of(server, flow_run)["name"] == "Crashed"
    assert list((tmp_path / FOLDER).iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_so_has_one_whose_server_ends_with_it(tmp_path, number):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment["PYTHONPATH"] = str(REPOSITORY)
    line = [sys.executable, "-c", WITH_ITS_SERVER, str(tmp_path), "", "60", PROGRAM]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, cwd=tmp_path
    )
    try:
        flow_run = process.stdout.readline().strip()
        process.send_signal(number)
        assert process.wait(timeout=60) != 0
    finally:
        process.kill()
    with closing(sqlite3.connect(tmp_path / "prefect" / "prefect.db")) as database:
        assert database.execute("SELECT id, state_name FROM flow_run").fetchall() == [(flow_run, "Crashed")]
        assert database.execute("SELECT state_name FROM task_run").fetchall() == [("Crashed",)]


def test_a_run_that_is_cancelled_in_the_pages_ends_and_never_counts_as_crashed(server, start, tmp_path):
    process, flow_run = start()
    cancel = {"state": {"type": "CANCELLING", "name": "Cancelling"}}  # what the button sends
    ask(server.url, f"flow_runs/{flow_run}/set_state", cancel)
    assert process.wait(timeout=60) != 0
    history = [state["name"] for state in ask(server.url, f"flow_run_states/?flow_run_id={flow_run}")]
    assert list(dict.fromkeys(history)) == ["Pending", "Running", "Cancelling", "Cancelled"]
    assert task_states(server, flow_run) == ["Cancelled"]
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_a_run_is_found_by_the_server_that_has_its_records_now(server, start, tmp_path):
    process, flow_run = start(address="http://127.0.0.1:9/api")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert mark_dead_runs(tmp_path) == []  # nobody to tell, so it is kept for later
    assert mark_dead_runs(tmp_path, server.url) == [flow_run]
    assert state_of(server, flow_run)["name"] == "Crashed"


def test_a_run_that_waits_for_another_process_or_was_taken_up_by_one_is_left_alone(server, start, tmp_path):
    process, flow_run = start()
    process.send_signal(signal.SIGKILL)
    process.wait()
    (note,) = (tmp_path / FOLDER).iterdir()
    written = note.read_text()
    note.write_text(json.dumps(json.loads(written) | {"run_count": 0}))
    assert mark_dead_runs(tmp_path, server.url) == []
    assert state_of(server, flow_run)["name"] == "Running"
    note.write_text(written)
    scheduled = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}, "force": True}
    ask(server.url, f"flow_runs/{flow_run}/set_state", scheduled)
    assert mark_dead_runs(tmp_path, server.url) == []
    assert state_of(server, flow_run)["name"] == "AwaitingRetry"


def test_stages_of_an_attempt_that_died_end_even_where_another_attempt_runs(server, start, tmp_path):
    process, flow_run = start()
    wait_for(lambda: task_states(server, flow_run) == ["Running"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    for state in ("SCHEDULED", "PENDING", "RUNNING"):
        ask(server.url, f"flow_runs/{flow_run}/set_state", {"state": {"type": state}, "force": True})
    assert ask(server.url, f"flow_runs/{flow_run}")["run_count"] == 2
    assert mark_dead_runs(tmp_path, server.url) == []
    assert task_states(server, flow_run) == ["Crashed"]
    assert state_of(server, flow_run)["name"] == "Running"


def test_a_note_that_no_server_knows_or_nobody_can_read_goes(server, tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "half.json").write_text('{"flow_run": "')
    unknown = "01234567-89ab-7def-8123-456789abcdef"
    live = LiveRun(flow_run=unknown, run_count=1, server=server.url, holder=Holder.this_process())
    (folder / f"{unknown}.json").write_text(live.model_dump_json())
    assert mark_dead_runs(tmp_path, server.url) == []
    assert list(folder.iterdir()) == []


ODD_ANSWERS = ["<html>down for maintenance</html>", "[]", "null", '{"detail": "Not Found"}', '{"id": 5}', '"yes"', "{"]


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("answer", ODD_ANSWERS)
def test_a_server_that_answers_with_something_else_costs_no_note(tmp_path, answer, status):
    with answering(answer, status) as url:
        note = leave_note(tmp_path, server=url)
        assert mark_dead_runs(tmp_path, url) == []
    assert note.exists()


def test_what_lies_among_the_notes_stops_nobody_from_marking_the_others(server, start, tmp_path):
    process, flow_run = start()
    process.send_signal(signal.SIGKILL)
    process.wait()
    folder = tmp_path / FOLDER
    (folder / "0-folder.json").mkdir()
    (folder / "0-bytes.json").write_bytes(b"\xff\xfe\x00")
    (folder / "0-number.json").write_text("17")
    leave_note(tmp_path, server="no address at all", name="0-server")
    leave_note(tmp_path, server=server.url, flow_run="no id", name="0-id")
    assert mark_dead_runs(tmp_path, server.url) == [flow_run]
    assert state_of(server, flow_run)["name"] == "Crashed"


def test_the_watch_goes_on_whatever_the_server_answers_and_says_so_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(watch_runs, "TICK_S", 0.02)
    monkeypatch.setattr(watch_runs, "MARK_EVERY_TICKS", 1)
    monkeypatch.setattr(live_runs, "_told", set())
    own = "11111111-89ab-7def-8123-456789abcdef"
    with answering("<html>", 200) as url:
        live_runs.note_live(tmp_path, flow_run=own, run_count=1, server=url, name="own")
        leave_note(tmp_path, server=url)
        with caplog.at_level("WARNING", logger="ropewalk.live"), runs_watched(tmp_path, url):
            time.sleep(1)
            assert "watch-runs" in [thread.name for thread in threading.enumerate()]
    live_runs.drop_note(own)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 3 and all("does not answer as Prefect's API does" in words for words in told)


def leave_note(root: Path, *, server: str, flow_run="01234567-89ab-7def-8123-456789abcdef", name="note") -> Path:
    """As a process leaves it that was killed."""
    path = root / FOLDER / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    live = LiveRun(flow_run=flow_run, run_count=1, server=server, holder=Holder.this_process())
    path.write_text(live.model_dump_json())
    return path


@contextmanager
def answering(text: str, status: int):
    """A web server that has one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET

        def log_message(self, *arguments):
            return None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as odd:
        threading.Thread(target=odd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{odd.server_port}/api"
        odd.shutdown()
