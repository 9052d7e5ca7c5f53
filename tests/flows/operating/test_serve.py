"""`ropewalk serve` as a user starts it: what it brings up, what it runs, and that nothing of it is left."""

import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterTags
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deployments import DEPLOYMENTS
from flows.stages import STAGES
from lib.store.artifact_store import ArtifactStore
from tasks.dispatch import FLOW
from tests.served import of_store, start, wait

REPOSITORY = Path(__file__).resolve().parents[3]
SETTINGS = ["warm_up.steps=2", "reinforce.steps=2", "evaluate.questions=4", "evaluate.sampled_questions=0"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("pipeline")]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("serve") / "store"


@pytest.fixture(scope="module")
def served(store):
    with served_on(store) as found:
        yield found


def run(client, name, **parameters):
    deployment = client.read_deployment_by_name(name)
    started = client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
    return wait(lambda: (now := client.read_flow_run(started.id)).state.is_final() and now, 500)


def test_server_pools_workers_and_deployments_are_there(served):
    _, client = served
    assert {item.name for item in client.read_deployments()} == {item.name for item in DEPLOYMENTS}
    # A pool's status follows its workers' heartbeats, and on a busy machine one may be late.
    ready = {"cpu": "READY", "gpu": "READY"}
    wait(lambda: {pool.name: pool.status.name for pool in client.read_work_pools()} == ready, 60)
    assert client.read_work_pool("gpu").concurrency_limit == 1


def test_a_second_one_on_the_same_store_is_refused(served, store):
    process, client = served
    out, err = start(store).communicate(timeout=60)
    assert out == "" and "The store has a server already" in err and str(process.pid) in err
    assert "Traceback" not in err


def test_a_port_in_use_is_told(served, tmp_path):
    _, client = served
    port = str(client.api_url).split(":")[2].split("/")[0]
    out, err = start(tmp_path / "store", "--port", port).communicate(timeout=60)
    assert out == "" and f"Port {port} is in use by process" in err and "Traceback" not in err


def test_the_pipeline_s_heavy_stages_run_in_the_gpu_pool_and_a_second_run_is_cached(served, store):
    _, client = served
    done = run(client, "ropewalk/pipeline", settings=SETTINGS)
    assert done.state.is_completed(), done.state.message
    tags = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"parent:{done.id}"]))
    children = client.read_flow_runs(flow_run_filter=tags)
    own = [stage for stage in STAGES if stage.domain != "vision"]  # which the profile does not have
    assert {(child.work_pool_name, child.state.name) for child in children} == {("gpu", "Completed")}
    assert {child.name.split()[0] for child in children} == {stage.name for stage in own if stage.heavy}

    again = run(client, "ropewalk/pipeline", settings=SETTINGS)
    assert again.state.is_completed()
    cached = dict.fromkeys((stage.name for stage in own), "Cached")
    wait(lambda: task_states(client, again) == cached | {"lineage": "Completed"}, 20)

    line = [sys.executable, "-m", "flows.cli", "plan", "--store", str(store), "--profile", "nano", "--json"]
    line += [part for setting in SETTINGS for part in ("--set", setting)]
    planned = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True)
    assert {step["action"] for step in json.loads(planned.stdout)} == {"cached"}


def test_no_process_talks_to_anything_but_this_machine(served, store):
    _, client = served
    started = client.create_flow_run_from_deployment(client.read_deployment_by_name(f"{FLOW}/source").id)
    reached = set()

    def ended():
        for process in of_store(store):
            with suppress(psutil.Error):
                reached.update(open_.raddr.ip for open_ in process.net_connections("inet") if open_.raddr)
        return client.read_flow_run(started.id).state.is_final()

    wait(ended, 120)
    assert reached == {"127.0.0.1"}


def test_a_stage_of_its_own_takes_the_latest_inputs(served):
    _, client = served
    latest = dict.fromkeys(("source", "databases", "synthesize", "warm_up", "reinforce"), "latest")
    done = run(client, f"{FLOW}/extrapolate", settings=SETTINGS, inputs=latest)
    assert done.state.is_completed(), done.state.message
    assert done.work_pool_name == "gpu"
    wait(lambda: task_states(client, done).keys() == {"extrapolate", "lineage"}, 20)


def test_a_reference_that_is_not_there_or_of_another_kind_is_told(served, store):
    _, client = served
    done = run(client, f"{FLOW}/synthesize", inputs={"source": "0123456789abcdef"})
    assert done.state.is_failed() and "No artifact has a digest that starts with" in done.state.message
    questions = next(item.reference.full for item in ArtifactStore(store).list() if item.kind == "questions")
    done = run(client, f"{FLOW}/synthesize", inputs={"source": questions})
    assert done.state.is_failed() and "is of another kind" in done.state.message
    done = run(client, "ropewalk/pipeline", given={"base": questions})
    assert done.state.is_failed() and "base gives policy, and questions/" in done.state.message


def test_a_parameter_that_the_form_does_not_have_is_refused_before_a_run_exists(served):
    _, client = served
    before = {run.id for run in client.read_flow_runs()}
    deployment = client.read_deployment_by_name("ropewalk/pipeline")
    with pytest.raises(PrefectHTTPStatusError, match="409") as caught:
        client.create_flow_run_from_deployment(deployment.id, parameters={"domain": ["knowledge"]})
    assert "'domain' was unexpected" in caught.value.response.text
    assert {run.id for run in client.read_flow_runs()} == before


def test_a_store_that_is_full_is_told_and_after_room_is_made_the_run_ends_well(served, small_disk):
    _, client = served
    full = run(client, f"{FLOW}/source", store=str(small_disk / "store"))
    assert full.state.is_failed() and "ArtifactError: The disk is full" in full.state.message
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    assert run(client, f"{FLOW}/source", store=str(small_disk / "store")).state.is_completed()


def task_states(client, run) -> dict[str, str]:
    """By stage; the server has them a moment after the end of the flow run."""
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
    return {task.name.rpartition("-")[0]: task.state_name for task in client.read_task_runs(flow_run_filter=of_run)}


def test_a_worker_and_a_server_that_are_killed_are_started_again(served, store):
    _, client = served
    for part in ("worker start --pool cpu", "flows.operating.app:create_app"):
        killed = of_store(store, part)
        killed[-1].kill()  # the youngest is the program itself, its guard is older
        killed[-1].wait(30)
    assert run(client, f"{FLOW}/source").state.is_completed()
    assert len(of_store(store, "worker start --pool cpu")) == 2


def test_a_run_that_is_ended_with_it_is_told_so_before_the_server_is_gone(tmp_path):
    with served_on(tmp_path / "store") as (process, client):
        deployment = client.read_deployment_by_name(f"{FLOW}/source")
        started = client.create_flow_run_from_deployment(deployment.id)
        wait(lambda: client.read_flow_run(started.id).state.is_running(), 120)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    with closing(sqlite3.connect(tmp_path / "store" / "prefect" / "prefect.db")) as database:
        assert database.execute("SELECT state_name FROM flow_run").fetchall() in ([("Crashed",)], [("Completed",)])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(number, tmp_path):
    process = start(tmp_path / "store", "--port", "0")
    assert process.stdout.readline().startswith("http")
    assert len(of_store(tmp_path)) >= 4
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    wait(lambda: not of_store(tmp_path), 30)


def test_a_run_that_was_taken_but_not_begun_when_all_was_killed_is_carried_out_by_the_next_start(tmp_path):
    with served_on(tmp_path / "store") as (process, client):
        deployment = client.read_deployment_by_name(f"{FLOW}/source")
        started = client.create_flow_run_from_deployment(deployment.id)
        wait(lambda: client.read_flow_run(started.id).state.is_pending(), 120)
        process.kill()
        wait(lambda: not of_store(tmp_path), 30)
    with served_on(tmp_path / "store") as (_, client):
        ended = wait(lambda: (now := client.read_flow_run(started.id)).state.is_final() and now, 300)
        assert ended.state.is_completed(), ended.state.message
        history = [state.name for state in client.read_flow_run_states(started.id)]
        assert history.count("Scheduled") == 2 and history.count("Running") == 1


@contextmanager
def served_on(store):
    process = start(store, "--port", "0")
    try:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), process.communicate()[1]
        with temporary_settings({PREFECT_API_URL: f"{url}/api"}), get_client(sync_client=True) as client:
            yield process, client
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_store_on_a_read_only_place_is_told():
    out, err = start("/proc/ropewalk-store").communicate(timeout=60)
    assert out == "" and "The store cannot be written" in err and "Traceback" not in err
