"""The documented notification, against a real server and a receiver on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.operating.prefect_api import ask
from tests.receiver import receiving

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPT = REPOSITORY / "docs" / "notify_on_failure.py"

pytestmark = pytest.mark.xdist_group("prefect")


# A run as a shell starts it, which says that it has begun.
CANCELLED = """
import os, sys, time
from pathlib import Path
from prefect import flow
from prefect.runtime import flow_run
from flows.operating.live_runs import note_live
from flows.operating.settle import settled_if_interrupted
from flows.operating.signals import interrupt_on_signals
from flows.operating.watch_runs import runs_watched

root, server = Path(sys.argv[1]), os.environ["PREFECT_API_URL"]

@flow(name="cancelled")
def staying():
    note_live(root, flow_run=str(flow_run.id), run_count=1, server=server, name="")
    print(flow_run.id, flush=True)
    time.sleep(60)

interrupt_on_signals()
with runs_watched(root, server), settled_if_interrupted():
    staying()
"""


def cancel_one(server, folder) -> None:
    """Cancel a run as the pages do."""
    environment = os.environ | {"PREFECT_API_URL": server.url, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [sys.executable, "-c", CANCELLED, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment, cwd=folder,
    ) as process:  # fmt: skip
        cancelling = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        ask(server.url, f"flow_runs/{process.stdout.readline().strip()}/set_state", cancelling)
        assert process.wait(timeout=60) != 0


def test_a_failed_run_calls_the_webhook_with_its_name_and_message_and_a_cancelled_one_does_not(server, tmp_path):
    with receiving() as receiver:
        environment = os.environ | {"PREFECT_API_URL": server.url}
        for path in ("/old", "/failed"):  # the second replaces the first
            line = [sys.executable, str(SCRIPT), receiver.url + path]
            done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr

        @flow(name="failing")
        def failing():
            raise ValueError('rank 0 was "killed"')

        cancel_one(server, tmp_path)
        with temporary_settings({PREFECT_API_URL: server.url}):
            failing.with_options(flow_run_name="reinforce of quick-lark")(return_state=True)
            failing(return_state=True)
        # Other tests of this server may leave runs that crash late.
        mine = lambda: [(path, body) for path, body in receiver.received if body["flow"] == "failing"]  # noqa: E731
        deadline = time.monotonic() + 30
        while not mine() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        ((path, body),) = mine()
        assert "cancelled" not in [body["flow"] for _, body in receiver.received]
    for automation in ask(server.url, "automations/filter", {}):
        ask(server.url, f"automations/{automation['id']}", method="DELETE")
    assert path == "/failed" and body["run"] != "reinforce of quick-lark"
    assert (body["flow"], body["state"]) == ("failing", "Failed")
    assert 'rank 0 was "killed"' in body["message"]
    assert "/runs/flow-run/" in body["address"]
