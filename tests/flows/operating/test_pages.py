"""What a run leaves in Prefect's pages, asked of a real server."""

from __future__ import annotations

import base64
import json
import logging
import time
import urllib.error
import urllib.request
from dataclasses import replace

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from data_contracts.questions import FUNNEL
from data_contracts.scores import REPORT
from data_contracts.training import STEPS
from flows.operating.prefect_api import ask
from flows.operating.server import LocalServer
from lib.errors import JobError, OutOfMemoryError
from lib.report import address
from lib.settings.load import load_settings
from tasks.lineage import lineage
from tasks.prefect_task import stage_task
from tasks.run import Run
from tasks.stage import Stage
from tests.receiver import receiving
from tests.small_chain import COUNT, DOUBLE, TOTAL, write

pytestmark = pytest.mark.xdist_group("prefect")

HOSTILE = "<script>alert(1)</script> | `x` **y**"


@pytest.fixture
def api(server):
    with temporary_settings({PREFECT_API_URL: server.url}):
        yield server.url


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


def open_run(root, *settings) -> Run:
    return Run(load_settings("laptop", ["reinforce.steps=3", *settings]), root)


def run_alone(stage, run):
    """A flow of one stage."""
    task = stage_task(stage)

    @flow(validate_parameters=False)
    def alone(run):
        task(run)

    return alone(run, return_state=True)


def artifacts(api, state) -> dict[str, dict]:
    """What the flow run has published, by key."""
    body = {"artifacts": {"flow_run_id": {"any_": [str(state.state_details.flow_run_id)]}}}
    return {item["key"]: item for item in ask(api, "artifacts/filter", body) if item["key"]}


def test_every_stage_leaves_a_card_that_belongs_to_its_task_run_and_the_run_ends_with_its_lineage(api, root):
    tasks = [stage_task(stage) for stage in (COUNT, DOUBLE, TOTAL)]

    @flow(validate_parameters=False)
    def chain(run):
        counted = tasks[0](run)
        doubled = tasks[1](run, count=counted)
        summed = tasks[2](run, count=counted, double=doubled)
        lineage(run, count=counted, double=doubled, total=summed)

    for headline in ("**Computed**", "**Cached**"):
        state = chain(open_run(root), return_state=True)
        found = artifacts(api, state)
        assert set(found) == {"count", "double", "total", "lineage"}
        assert all(item["task_run_id"] for item in found.values())
        assert headline in found["total"]["data"]
        page = found["lineage"]["data"]
        assert page.startswith("# Lineage\n\n```mermaid\nflowchart TB\n")
        for name in ("count", "double", "total"):
            assert f'click {name} href "/v2/artifacts/artifact/{found[name]["id"]}"' in page
        assert f"[double](/v2/artifacts/artifact/{found['double']['id']})" in found["total"]["data"]


def test_rows_worth_sorting_come_as_a_table_and_curves_as_images(api, root):
    def work(work):
        write(work, [1])
        row = {"position": 0, "domain": "sql", "filter": "leak", "reason": HOSTILE, "count": 3, "example": HOSTILE}
        pq.write_table(pa.Table.from_pylist([row], schema=FUNNEL.schema), work.out / "funnel.parquet")
        steps = [{field.name: 1 for field in STEPS.schema} | {"step": i, "dropped": []} for i in (1, 2)]
        pq.write_table(pa.Table.from_pylist(steps, schema=STEPS.schema), work.out / "steps.parquet")

    found = artifacts(api, run_alone(replace(COUNT, name="warm_up", work=work), open_run(root)))
    (row,) = json.loads(found["warm-up-funnel"]["data"])
    assert row == {"position": 0, "domain": "sql", "filter": "leak", "reason": HOSTILE, "count": 3, "example": HOSTILE}
    image = found["warm-up-loss-of-the-warm-up-nats-a-token"]
    kind, _, data = image["data"].partition(",")
    assert (image["type"], kind) == ("image", "data:image/svg+xml;base64")
    assert b"<svg" in base64.b64decode(data)
    assert "<script>" not in found["warm-up"]["data"]
    assert r"sql, leak\: \<script\>" in found["warm-up"]["data"]


def test_long_work_shows_how_far_it_is_seldom_and_ends_at_100(api, root, monkeypatch):
    monkeypatch.setattr("tasks.progress_artifact.EVERY_S", 0.3)

    def work(work):
        for step in range(20):
            work.progress.update(step, 40, "steps")
            time.sleep(0.05)
        write(work, [1])

    found = artifacts(api, run_alone(replace(COUNT, work=work), open_run(root)))
    assert (found["count-progress"]["data"], found["count-progress"]["type"]) == (100.0, "progress")


def test_short_work_shows_no_progress(api, root):
    assert "count-progress" not in artifacts(api, run_alone(COUNT, open_run(root)))


def test_a_server_that_goes_away_in_mid_run_loses_no_finished_stage(root, tmp_path, caplog):
    away = LocalServer(tmp_path / "away")
    away.start()
    away.wait()

    def work(work):
        away.stop()
        write(work, [1])

    first, second = stage_task(COUNT), stage_task(replace(DOUBLE, work=work))

    @flow(validate_parameters=False)
    def chain(run):
        second(run, count=first(run))

    with temporary_settings({PREFECT_API_URL: away.url, PREFECT_CLIENT_MAX_RETRIES: 0}):
        with caplog.at_level(logging.WARNING, "ropewalk.cards"), pytest.raises(httpx.ConnectError):
            chain(open_run(root))
    assert [item.provenance.stage for item in open_run(root).store.list()] == ["count", "double"]
    assert "the card of double is not in Prefect's pages" in caplog.text


def test_memory_that_ran_out_is_met_with_less_of_it_and_the_card_says_so(api, root):
    seen = []

    def work(work):
        seen.append(work.settings.engine.max_concurrent)
        if len(seen) == 1:
            raise OutOfMemoryError("rank 0 was killed")
        write(work, [1])

    hungry = replace(COUNT, name="hungry", work=work, settings=("engine",))
    found = artifacts(api, run_alone(hungry, open_run(root)))
    assert seen == [64, 32]
    assert "> memory ran out at the first attempt" in found["hungry"]["data"]


def test_a_run_tells_a_catalogue_what_its_stages_read_gave_and_where_they_failed(api, root):
    def fail(work):
        raise JobError("rank 0 failed")

    tasks = [stage_task(stage) for stage in (COUNT, DOUBLE, replace(TOTAL, work=fail))]

    @flow(validate_parameters=False)
    def chain(run):
        counted = tasks[0](run)
        doubled = tasks[1](run, count=counted)
        tasks[2](run, count=counted, double=doubled)

    with receiving() as server:
        chain(open_run(root, f"lineage.openlineage={server.url}"), return_state=True)
        events = [body for _, body in server.received]
    told = [(event["job"]["name"], event["eventType"]) for event in events]
    assert told == [
        ("count", "START"), ("count", "COMPLETE"), ("double", "START"), ("double", "COMPLETE"),
        ("total", "START"), ("total", "FAIL"),
    ]  # fmt: skip
    assert events[3]["inputs"][0]["name"] == events[1]["outputs"][0]["name"]
    assert {event["run"]["facets"]["parent"]["job"]["name"] for event in events} == {"chain"}


def test_a_destination_that_is_away_does_not_fail_the_run(api, root):
    assert run_alone(COUNT, open_run(root, "lineage.openlineage=http://127.0.0.1:9")).is_completed()


def write_page(work):
    import duckdb

    (work.out / "report.html").write_text("<p>the report</p>")
    with duckdb.connect(str(work.out / "run.duckdb")) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")


def test_one_click_from_the_run_opens_the_report(api, server):
    run = open_run(server.home.parent)  # the store that the server serves
    found = artifacts(api, run_alone(Stage("report", REPORT, write_page, "lib.seeds"), run))
    (manifest,) = (item for item in run.store.list() if item.kind == "report")
    path = address.path_of(manifest.digest)  # from the server's address on, by whatever name a browser knows it
    assert f"[Open the report]({path})" in found["report-page"]["data"]
    assert f"[Open the report]({path})" in found["report"]["data"]
    with urllib.request.urlopen(f"{server.ui_url}{path}", timeout=10) as response:
        assert response.read() == b"<p>the report</p>"
        assert "sandbox" in response.headers["Content-Security-Policy"]


def test_a_report_of_another_store_is_linked_as_a_file(api, root):
    def write_another(work):
        write_page(work)
        (work.out / "report.html").write_text("<p>another report</p>")

    found = artifacts(api, run_alone(Stage("report", REPORT, write_another, "lib.seeds"), open_run(root)))
    assert f"(file://{root}/artifacts/report/" in found["report-page"]["data"]


@pytest.mark.parametrize("digest", ["0" * 64, "..%2f..%2fmanifest", "abc"])
def test_nothing_but_reports_is_served(server, digest):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{server.ui_url}/reports/{digest}", timeout=10)
    assert caught.value.code == 404
