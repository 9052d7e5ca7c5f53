"""Events written by the project's own client, to a file and to a receiver on this machine."""

from __future__ import annotations

import json
import logging

import pytest

from lib.errors import SettingsError
from lib.settings.lineage import LineageSettings
from lib.settings.load import load_settings
from lib.store.open_lineage import OpenLineage, StageRun, new_run_id
from tasks.run import Run
from tasks.stage import run_stage
from tests.receiver import receiving
from tests.small_chain import COUNT, DOUBLE

FLOW_RUN = "01234567-89ab-7def-8123-456789abcdef"


@pytest.fixture
def made(tmp_path):
    """A store with two artifacts, and their references."""
    run = Run(load_settings("laptop", ["reinforce.steps=3"]), tmp_path / "store")
    counted, _ = run_stage(COUNT, run, {})
    doubled, _ = run_stage(DOUBLE, run, {"count": counted})
    return run.store, counted, doubled


def stage_run(counted) -> StageRun:
    return StageRun(new_run_id(), "double", {"count": counted}, "ropewalk", FLOW_RUN)


def read(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_file_gets_a_line_an_event_with_datasets_rows_and_schemas(made, tmp_path):
    store, counted, doubled = made
    events = OpenLineage(LineageSettings(openlineage=str(tmp_path / "events.jsonl"), namespace="house"), store)
    run = stage_run(counted)
    assert events.started(run) and events.completed(run, doubled, "computed")
    start, complete = read(tmp_path / "events.jsonl")
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"] == run.id
    assert complete["job"]["namespace"] == "house" and complete["job"]["name"] == "double"
    assert start["outputs"] == []
    (read_from,), (gave,) = complete["inputs"], complete["outputs"]
    assert (read_from["name"], gave["name"]) == (counted.full, doubled.full)
    assert gave["outputFacets"]["outputStatistics"]["rowCount"] == 3
    assert read_from["inputFacets"]["inputStatistics"]["rowCount"] == 3
    (table,) = gave["facets"]["schema"]["fields"]
    assert table["name"] == "numbers"
    assert [(column["name"], column["type"]) for column in table["fields"]] == [("value", "int64"), ("note", "string")]
    assert gave["facets"]["version"]["datasetVersion"] == doubled.digest
    assert complete["run"]["facets"]["parent"]["run"]["runId"] == FLOW_RUN
    tags = {tag["key"]: tag["value"] for tag in complete["run"]["facets"]["tags"]["tags"]}
    assert tags["outcome"] == "computed"


def test_a_receiver_gets_the_same_events_at_the_path_of_the_specification_or_at_its_own(made):
    store, counted, doubled = made
    with receiving() as server:
        for address in (server.url, f"{server.url}/catalogue/in"):
            events = OpenLineage(LineageSettings(openlineage=address), store)
            assert events.completed(stage_run(counted), doubled, "cached")
        assert [path for path, _ in server.received] == ["/api/v1/lineage", "/catalogue/in"]
        assert all(body["outputs"][0]["name"] == doubled.full for _, body in server.received)


def test_a_failure_carries_its_message_and_a_cancelled_run_is_aborted(made, tmp_path):
    store, counted, _ = made
    events = OpenLineage(LineageSettings(openlineage=str(tmp_path / "events.jsonl")), store)
    events.failed(stage_run(counted), ValueError("the loss is not finite"))
    events.aborted(stage_run(counted))
    failed, aborted = read(tmp_path / "events.jsonl")
    assert failed["eventType"] == "FAIL"
    assert failed["run"]["facets"]["errorMessage"]["message"] == "the loss is not finite"
    assert aborted["eventType"] == "ABORT"


@pytest.mark.parametrize("destination", ["http://127.0.0.1:9", "/proc/nowhere/events.jsonl"])
def test_a_destination_that_is_away_costs_a_warning_that_says_what_was_not_sent(made, destination, caplog):
    store, counted, _ = made
    events = OpenLineage(LineageSettings(openlineage=destination), store)
    with caplog.at_level(logging.WARNING, "ropewalk.lineage"):
        assert not events.started(stage_run(counted))
    assert f"START of double was not sent to {destination}" in caplog.text


def test_a_destination_that_is_none_is_told(made):
    with pytest.raises(SettingsError, match="neither a file nor an http"):
        OpenLineage(LineageSettings(openlineage="ftp://somewhere/x"), made[0])


def test_whom_a_run_tells_is_no_part_of_any_fingerprint(tmp_path):
    from flows.stages import STAGES

    told = ["lineage.openlineage=/tmp/x", "lineage.namespace=y"]
    for stage in STAGES:
        assert "lineage" not in stage.dependencies(load_settings("nano", told)).settings
