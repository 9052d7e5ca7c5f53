"""A fleet as its machines start it: a head without workers, behind a password, and `ropewalk worker` elsewhere."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.states import Running

from flows.deployments import DEPLOYMENTS, FLEET_JOB_VARIABLES
from flows.operating.live_runs import FOLDER, LiveRun
from flows.operating.restarts import IN_A_ROW
from flows.operating.server import require_server
from flows.operating.server_checks import ServerError
from lib.store.locks import Holder
from tests.served import wait

REPOSITORY = Path(__file__).resolve().parents[3]
PASSWORD = "me:mine"

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("fleet")]


def start(*arguments, **environment) -> subprocess.Popen:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ROPEWALK_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "flows.cli", *arguments],
        cwd=REPOSITORY,
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """Its address; the store of its own is no concern of the workers."""
    line = ["serve", "--no-workers", "--host", "0.0.0.0", "--port", "0", "--profile", "nano"]
    store = tmp_path_factory.mktemp("head") / "store"
    process = start(*line, "--store", str(store), PREFECT_SERVER_API_AUTH_STRING=PASSWORD)
    url = process.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:"), process.communicate()[1]
    yield f"{url}/api"
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "wait for workers" in err and "Traceback" not in err


@pytest.fixture
def client(head):
    with (
        temporary_settings({PREFECT_API_URL: head, PREFECT_API_AUTH_STRING: PASSWORD}),
        get_client(sync_client=True) as client,
    ):
        yield client


def join(head, store, *arguments):
    environment = {"PREFECT_API_URL": head, "PREFECT_API_AUTH_STRING": PASSWORD, "ROPEWALK_STORE": str(store)}
    return start(*arguments, **environment)


def leave_a_dead_run(client, head, store):
    """A run whose process is gone: the server has it as running, and nobody holds its lock."""

    @flow(name="left")
    def left():
        return None

    run = client.create_flow_run(left, state=Running())
    (store / FOLDER).mkdir(parents=True)
    live = LiveRun(flow_run=str(run.id), run_count=1, server=head, holder=Holder.this_process())
    (store / FOLDER / f"{run.id}.json").write_text(live.model_dump_json())
    return run


@pytest.mark.slow
def test_the_head_declares_what_names_no_machine_and_register_brings_it_up_to_date(client, head, tmp_path):
    found = client.read_deployments()
    assert {item.name for item in found} == {item.name for item in DEPLOYMENTS}
    assert all(item.parameters == {"profile": "nano"} for item in found)
    assert all(item.job_variables == FLEET_JOB_VARIABLES for item in found)
    done = join(head, tmp_path, "register", "--profile", "cluster", "--cron", "0 4 * * *")
    out, err = done.communicate(timeout=120)
    assert (done.returncode, out) == (0, "") and head in err
    pipeline = client.read_deployment_by_name("ropewalk/pipeline")
    assert pipeline.parameters == {"profile": "cluster"}
    assert [(item.schedule.cron, item.active) for item in pipeline.schedules] == [("0 4 * * *", True)]
    client.update_deployment_schedule(pipeline.id, pipeline.schedules[0].id, active=False)


@pytest.mark.slow
def test_a_worker_runs_what_is_declared_marks_dead_runs_and_leaves_nothing_behind(client, head, tmp_path):
    store = tmp_path / "store"
    dead = leave_a_dead_run(client, head, store)
    worker = join(head, store, "worker", "--pool", "cpu", "--limit", "1")
    try:
        wait(lambda: client.read_flow_run(dead.id).state.is_crashed())
        deployment = client.read_deployment_by_name("ropewalk-stage/source")
        run = client.create_flow_run_from_deployment(deployment.id, parameters={"profile": "nano"})
        ended = wait(lambda: (state := client.read_flow_run(run.id).state).is_final() and state)
        assert ended.is_completed(), ended.message
        assert len(list((store / "artifacts" / "graph").iterdir())) == 1

        (row,) = client.read_workers_for_work_pool("cpu")
        assert f"({worker.pid})" in row.name
        below = psutil.Process(worker.pid).children(recursive=True)
        assert len(below) >= 2
        worker.send_signal(signal.SIGTERM)
        out, err = worker.communicate(timeout=60)
        assert worker.returncode == 0 and "Traceback" not in err and str(store) in err
        wait(lambda: not any(map(is_alive, below)), 10)
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.slow
def test_a_worker_of_prefect_that_ends_is_started_again_and_one_that_ends_again_and_again_ends_the_command(
    head, tmp_path
):
    worker = join(head, tmp_path, "worker", "--pool", "cpu")
    killed: list[psutil.Process] = []

    def next_guard() -> psutil.Process | None:
        children = [child for child in psutil.Process(worker.pid).children() if child not in killed]
        return children[0] if children else None

    try:
        for _ in range(IN_A_ROW + 1):
            killed.append(wait(next_guard))
            killed[-1].kill()
        _, err = worker.communicate(timeout=60)
        assert err.count("it is started again") == IN_A_ROW
        assert worker.returncode == 1 and "The worker of the pool cpu has ended" in err and "Traceback" not in err
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.slow
def test_a_worker_without_the_password_is_told_what_to_set(head, tmp_path):
    worker = start("worker", "--pool", "cpu", PREFECT_API_URL=head, ROPEWALK_STORE=str(tmp_path))
    _, err = worker.communicate(timeout=60)
    assert worker.returncode == 1 and "asks for a password" in err and "PREFECT_API_AUTH_STRING" in err


def test_without_a_server_a_worker_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(ServerError, match="does not answer") as caught:
        require_server(tmp_path)
    assert "PREFECT_API_URL=http://127.0.0.1:9/api" in caught.value.where
    monkeypatch.delenv("PREFECT_API_URL")
    with pytest.raises(ServerError, match="none serves the store"):
        require_server(tmp_path)
