"""Runs that a worker took and never began, at a real server: what they hold, and that they are taken again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Pending

from flows.operating import abandoned_runs
from flows.operating.abandoned_runs import WORKER, WORKER_TYPE, reschedule_abandoned

POOL, DEPLOYMENT, MINE = "abandoned", "abandoned-one", "abandoned on here"

pytestmark = pytest.mark.xdist_group("prefect")


@flow(name="abandoned")
def nothing() -> None:
    return None


@pytest.fixture
def client(server):
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", concurrency_limit=1))
        yield client
        client.delete_work_pool(POOL)
        for deployment in client.read_deployments():
            if deployment.name == DEPLOYMENT:
                client.delete_deployment(deployment.id)


@pytest.fixture
def start(client):
    """Two runs of a deployment that allows one at a time; the first was taken."""

    def run(labels: dict[str, str]):
        flow_id = client.create_flow(nothing)
        deployment = client.create_deployment(flow_id, DEPLOYMENT, work_pool_name=POOL, concurrency_limit=1)
        first, second = (client.create_flow_run_from_deployment(deployment) for _ in range(2))
        taken = client.set_flow_run_state(first.id, Pending())
        assert taken.status.name == "ACCEPT"
        client.request("PATCH", "/flow_runs/{id}/labels", path_params={"id": first.id}, json=labels)
        return first, second

    return run


def heard(client, name: str) -> None:
    client.send_worker_heartbeat(POOL, name, heartbeat_interval_seconds=60)


def state_of(client, run) -> str:
    return client.read_flow_run(run.id).state.type.name


def takes(client) -> set:
    """Runs that the pool's workers would get."""
    found = client.request("POST", "/work_pools/{name}/get_scheduled_flow_runs", path_params={"name": POOL}, json={})
    return {item["flow_run"]["id"] for item in found.json()}


@pytest.mark.parametrize("labels", [{WORKER: MINE, WORKER_TYPE: "process"}, {}])
def test_what_a_worker_had_taken_before_it_was_killed_is_taken_again_and_holds_nothing_until_then(
    server, client, start, labels
):
    first, second = start(labels)
    heard(client, MINE)  # just before it was killed
    assert takes(client) == set()
    assert client.set_flow_run_state(second.id, Pending()).state.name == "AwaitingConcurrencySlot"
    assert reschedule_abandoned(server.url, [POOL]) == []
    assert reschedule_abandoned(server.url, [POOL], gone={MINE, None}) == [str(first.id)]
    assert state_of(client, first) == "SCHEDULED"
    assert str(first.id) in takes(client)
    assert client.set_flow_run_state(first.id, Pending()).status.name == "ACCEPT"


def test_a_run_whose_worker_is_heard_of_is_left_alone_however_long_it_takes(server, client, start, monkeypatch):
    monkeypatch.setattr(abandoned_runs, "TAKEN_FOR", timedelta(0))
    first, _ = start({WORKER: "elsewhere", WORKER_TYPE: "process"})
    heard(client, "elsewhere")
    assert reschedule_abandoned(server.url, [POOL]) == reschedule_abandoned(server.url, [POOL], gone={MINE}) == []
    assert state_of(client, first) == "PENDING"


def test_a_run_whose_worker_is_heard_of_no_more_has_time_to_begin_all_the_same(server, client, start, monkeypatch):
    first, _ = start({WORKER: "elsewhere", WORKER_TYPE: "process"})
    assert reschedule_abandoned(server.url, [POOL]) == reschedule_abandoned(server.url, [POOL], gone={MINE}) == []
    monkeypatch.setattr(abandoned_runs, "TAKEN_FOR", timedelta(0))
    assert reschedule_abandoned(server.url, [POOL]) == [str(first.id)]


def test_a_run_that_waits_for_a_machine_of_a_cluster_is_left_to_its_worker(server, client, start, monkeypatch):
    monkeypatch.setattr(abandoned_runs, "TAKEN_FOR", timedelta(0))
    first, _ = start({WORKER: MINE, WORKER_TYPE: "kubernetes"})
    assert reschedule_abandoned(server.url, [POOL]) == reschedule_abandoned(server.url, [POOL], gone={MINE}) == []
    assert state_of(client, first) == "PENDING"
