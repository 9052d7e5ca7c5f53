"""A heavy stage between two process workers: dispatched where the pool `gpu` has one, in place otherwise."""

import os
import signal

import psutil
import pyarrow.parquet as pq
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling
from prefect.workers.process import ProcessWorker

from flows.deployments import CPU_POOL, Deployment, register
from flows.operating.server import LocalServer
from flows.operating.work_pools import create_missing_pools
from flows.operating.worker import Worker, job_variables, stop
from lib.store.artifact_store import ArtifactStore
from lib.store.run_index import RunIndex
from tasks.dispatch import GPU_POOL, has_worker
from tests import dispatched_chain
from tests.served import wait

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("dispatch")]

TABLE = [
    Deployment("chain", dispatched_chain.chain, dispatched_chain.__name__, CPU_POOL, "", ()),
    Deployment("heavy", dispatched_chain.heavy, dispatched_chain.__name__, GPU_POOL, "", ()),
]


class Machine:
    """A server of its own, its pools and a worker for each."""

    def __init__(self, client, home, pools):
        self.client, self.home = client, home
        environment = {"PREFECT_API_URL": str(client.api_url), "PREFECT_HOME": str(home)}
        self.workers = [Worker(pool, log=home / f"{pool}.log", environment=environment) for pool in pools]

    def start(self, store, **parameters):
        deployment = self.client.read_deployment_by_name("dispatching/chain")
        run = self.client.create_flow_run_from_deployment(deployment.id, parameters={"store": str(store), **parameters})
        return run.id

    def state(self, run):
        return self.client.read_flow_run(run).state

    def end(self, run):
        return wait(lambda: (state := self.state(run)).is_final() and state)

    def children(self, run):
        tags = FlowRunFilter(tags=FlowRunFilterTags(all_=[f"parent:{run}"]))
        return self.client.read_flow_runs(flow_run_filter=tags)


def serve(tmp_path_factory, pools):
    home = tmp_path_factory.mktemp("machine")
    server = LocalServer(home)
    server.start()
    server.wait()
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        if GPU_POOL in pools:
            create_missing_pools(client)
        else:
            template = ProcessWorker.get_default_base_job_template()
            client.create_work_pool(WorkPoolCreate(name=CPU_POOL, type="process", base_job_template=template))
        for deployment in TABLE:
            if deployment.pool in pools:
                register(client, deployment, parameters={}, job_variables=job_variables())
        machine = Machine(client, home, pools)
        try:
            wait(lambda: all(has_worker(client, pool) for pool in pools))
            yield machine
        finally:
            stop(machine.workers)
            server.stop()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    yield from serve(tmp_path_factory, [CPU_POOL, GPU_POOL])


@pytest.fixture(scope="module")
def without_gpu(tmp_path_factory):
    yield from serve(tmp_path_factory, [CPU_POOL])


def written(store, stage):
    opened = ArtifactStore(store)
    reference = RunIndex(opened).latest_kept(stage).artifact
    return pq.read_table(opened.path(reference) / "numbers.parquet")["value"].to_pylist()


@pytest.mark.parametrize(("fixture", "is_dispatched"), [("both", True), ("without_gpu", False)])
def test_a_heavy_stage_runs_where_the_pool_is_and_its_reference_comes_back(fixture, is_dispatched, request, tmp_path):
    machine = request.getfixturevalue(fixture)
    run = machine.start(tmp_path)
    assert machine.end(run).is_completed(), machine.state(run).message
    assert (written(tmp_path, "heavy")[0] != written(tmp_path, "light")[0]) is is_dispatched
    assert [child.state.name for child in machine.children(run)] == ["Completed"] * is_dispatched

    again = machine.start(tmp_path)
    assert machine.end(again).is_completed()
    assert machine.children(again) == []


def test_a_forced_stage_is_forced_where_it_runs(both, tmp_path):
    assert both.end(both.start(tmp_path)).is_completed()
    first = written(tmp_path, "heavy")
    assert both.end(both.start(tmp_path, recompute=["heavy"])).is_completed()
    assert written(tmp_path, "heavy") != first


def test_the_pool_s_limit_holds_one_heavy_stage_at_a_time(both, tmp_path):
    stores = [tmp_path / "a", tmp_path / "b"]
    runs = [both.start(store, settings=["reinforce.steps=30"]) for store in stores]
    assert all(both.end(run).is_completed() for run in runs)
    (_, first, first_end), (_, second, second_end) = sorted((written(store, "heavy") for store in stores), key=max)
    assert first_end <= second, (first, first_end, second, second_end)


def start_and_wait_until_dispatched(machine, store):
    run = machine.start(store, settings=["reinforce.steps=3000"])
    (file,) = wait(lambda: list(store.glob("scratch/heavy-*/work/pid")))
    wait(lambda: file.read_text())
    return run, int(file.read_text())


def test_cancelling_a_run_ends_what_it_has_dispatched(both, tmp_path):
    run, heavy = start_and_wait_until_dispatched(both, tmp_path)
    both.client.set_flow_run_state(run, Cancelling())
    assert both.end(run).is_cancelled()
    assert wait(lambda: both.children(run)[0].state.is_cancelled(), 60)
    wait(lambda: not psutil.pid_exists(heavy), 10)


def test_a_run_that_is_killed_ends_what_it_has_dispatched(both, tmp_path):
    run, heavy = start_and_wait_until_dispatched(both, tmp_path)
    os.kill(written(tmp_path, "light")[0], signal.SIGKILL)
    assert both.end(run).is_crashed()
    assert wait(lambda: both.children(run)[0].state.is_cancelled(), 60)
    wait(lambda: not psutil.pid_exists(heavy), 10)


def test_a_failure_there_is_told_here_with_its_words(both, tmp_path):
    run = both.start(tmp_path, settings=[f"reinforce.steps={dispatched_chain.FAILING_STEPS}"])
    assert both.end(run).is_failed()
    assert "heavy ended as Failed in the pool gpu" in both.state(run).message
    assert "rank 0 was killed" in both.state(run).message
    assert both.children(run)[0].state.is_failed()
