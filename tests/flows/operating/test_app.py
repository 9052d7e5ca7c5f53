"""What the server does beside what Prefect's does, under requests that come together."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from flows.operating.server import LocalServer

REQUESTS, AT_ONCE = 40, 4


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    server = LocalServer(tmp_path_factory.mktemp("store"))
    server.start()
    try:
        server.wait()
        yield f"http://127.0.0.1:{server.port}/api"
    finally:
        server.stop()


def test_runs_asked_for_together_are_all_made_and_once_each(url):
    """Left to itself, Prefect's server answers a part of them with 503: its database is in use."""
    # SQLite lets a request wait for a minute where the machine is busy with other tests.
    with httpx.Client(base_url=url, timeout=200) as client:
        flow = client.post("/flows/", json={"name": "together"}).raise_for_status().json()["id"]
        deployment = client.post("/deployments/", json={"name": "d", "flow_id": flow}).raise_for_status().json()["id"]

        def create(_: int) -> int:
            return client.post(f"/deployments/{deployment}/create_flow_run", json={}).status_code

        with ThreadPoolExecutor(AT_ONCE) as threads:
            assert set(threads.map(create, range(REQUESTS))) == {201}
        assert client.post("/flow_runs/count", json={}).json() == REQUESTS


def test_an_answer_that_is_not_of_a_database_in_use_is_given_at_once(url):
    assert httpx.post(f"{url}/flow_runs/filter", json={"limit": "many"}).status_code == 422
    assert httpx.get(f"{url}/flow_runs/00000000-0000-0000-0000-000000000000").status_code == 404
