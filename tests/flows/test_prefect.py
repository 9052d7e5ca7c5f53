import json
import os
import time
import urllib.request
from dataclasses import replace

import pytest
from prefect import flow
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from lib.errors import JobError
from lib.settings.load import load_settings
from tasks.prefect_task import stage_task
from tasks.run import Run
from tests import small_chain
from tests.small_chain import COUNT, write

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def api(server):
    with temporary_settings({PREFECT_API_URL: server.url}):
        yield server.url


@pytest.fixture
def root(tmp_path):
    small_chain.calls.clear()
    return tmp_path / "store"


def open_run(root, *recompute) -> Run:
    return Run(load_settings("laptop", ["reinforce.steps=3"]), root, recompute)


def post(api, path, body):
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{api}/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def task_runs(api, state, count):
    """The server's task runs of a flow run, once it has the end of all of them."""
    EventsWorker.drain_all(timeout=10)
    body = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = post(api, "task_runs/filter", body)
        if len(found) == count and all(run["state_type"] in ("COMPLETED", "FAILED") for run in found):
            break
        time.sleep(0.1)
    return {run["name"].split("-")[0]: run for run in found}


def test_the_server_has_every_stage_with_its_arrows_and_shows_cached_ones_as_cached(api, root):
    first = small_chain.small_chain(open_run(root), return_state=True)
    second = small_chain.small_chain(open_run(root), return_state=True)
    assert first.result() == second.result()
    computed, cached = task_runs(api, first, 3), task_runs(api, second, 3)
    assert {name: run["state_name"] for name, run in computed.items()} == dict.fromkeys(
        ("count", "double", "total"), "Completed"
    )
    assert {run["state_name"] for run in cached.values()} == {"Cached"}
    for runs in (computed, cached):
        ids = {run["id"]: name for name, run in runs.items()}
        arrows = {
            name: {ids[item["id"]] for items in run["task_inputs"].values() for item in items if "id" in item}
            for name, run in runs.items()
        }
        assert arrows == {"count": set(), "double": {"count"}, "total": {"count", "double"}}
    assert small_chain.calls == ["count", "double", "total"]


def test_a_given_stage_shows_as_given_and_later_stages_take_it(api, root):
    first = small_chain.small_chain(open_run(root))
    run = Run(load_settings("laptop", ["reinforce.steps=4"]), root, given={"count": first["count"]})
    state = small_chain.small_chain(run, return_state=True)
    assert state.result() == first
    names = {name: run["state_name"] for name, run in task_runs(api, state, 3).items()}
    assert names == {"count": "Given", "double": "Cached", "total": "Cached"}


def test_a_damaged_artifact_is_computed_again_and_later_stages_stay_cached(api, root):
    references = small_chain.small_chain(open_run(root))
    (open_run(root).store.path(references["double"]) / "numbers.parquet").write_bytes(b"cut")
    state = small_chain.small_chain(open_run(root), return_state=True)
    names = {name: run["state_name"] for name, run in task_runs(api, state, 3).items()}
    assert names == {"count": "Cached", "double": "Completed", "total": "Cached"}
    assert small_chain.calls == ["count", "double", "total", "double"]


def test_a_stage_that_fails_raises_its_own_error_and_keeps_the_stages_before(api, root):
    def fail(work):
        raise JobError("rank 0 was killed", next_step="run again")

    failing = stage_task(replace(small_chain.DOUBLE, work=fail))

    @flow(validate_parameters=False)
    def chain(run):
        return failing(run, count=small_chain.count_task(run))

    state = chain(open_run(root), return_state=True)
    with pytest.raises(JobError, match="rank 0 was killed"):
        state.result()
    runs = task_runs(api, state, 2)
    assert runs["double"]["run_count"] == 1
    assert len(open_run(root).store.list()) == 1


def test_a_transient_failure_is_tried_again(api, root):
    attempts = []

    def fail_once(work):
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise ConnectionResetError("gone")
        write(work, [1])

    flaky = stage_task(replace(COUNT, work=fail_once))

    @flow(validate_parameters=False)
    def chain(run):
        return flaky(run)

    chain(open_run(root))
    assert attempts == [0, 1]


def test_a_failure_that_does_not_go_away_by_itself_is_not_tried_again(api, root):
    attempts = []

    def fail(work):
        attempts.append(len(attempts))
        raise KeyError("ours")

    broken = stage_task(replace(COUNT, work=fail))

    @flow(validate_parameters=False)
    def chain(run):
        return broken(run)

    with pytest.raises(KeyError):
        chain(open_run(root))
    assert attempts == [0]


def test_the_database_outlives_the_server_and_the_server_its_port(tmp_path):
    from flows.operating.server import LocalServer
    from flows.operating.server_checks import is_healthy

    server = LocalServer(tmp_path)
    server.start()
    server.wait()
    assert is_healthy(server.url)
    server.stop()
    assert not is_healthy(server.url)
    assert (tmp_path / "prefect" / "prefect.db").stat().st_size > 0


def test_a_server_that_cannot_start_is_told_with_its_log(tmp_path):
    from flows.operating.server import LocalServer
    from flows.operating.server_checks import ServerError

    with pytest.raises(ServerError, match="did not start") as caught:
        (tmp_path / "prefect" / "prefect.db").mkdir(parents=True)
        server = LocalServer(tmp_path)
        server.start()
        server.wait()
    assert "server.log" in str(caught.value)


def test_a_given_api_address_is_used_when_it_answers(server, tmp_path, monkeypatch, capsys):
    from flows.operating.server import serving

    for name in ("PREFECT_HOME", "NO_PROXY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv("PREFECT_API_URL", server.url)
    with serving(tmp_path) as started:
        assert started is None
        assert os.environ["PREFECT_API_URL"] == server.url
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with serving(tmp_path) as started:
        started.wait()
        assert os.environ["PREFECT_API_URL"] == started.url
    assert "does not answer" in capsys.readouterr().err
