"""The table of deployments, `prefect.yaml` that is written from it, and what both make of a server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.main import get_command

from flows.cli import app
from flows.deployments import CPU_POOL, DEPLOYMENTS, FLEET_JOB_VARIABLES, as_yaml, register
from flows.operating.registration import register_for_a_fleet
from flows.operating.work_pools import create_missing_pools
from flows.stages import STAGES
from lib.errors import SettingsError
from tasks.dispatch import FLOW, GPU_POOL

REPOSITORY = Path(__file__).resolve().parents[2]
FLEET = REPOSITORY / "docs" / "fleet"
SAME = (
    "entrypoint",
    "description",
    "tags",
    "work_pool_name",
    "job_variables",
    "concurrency_limit",
    "concurrency_options",
    "enforce_parameter_schema",
)

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def client(server):
    with temporary_settings({PREFECT_API_URL: server.url}), get_client(sync_client=True) as client:
        create_missing_pools(client)
        yield client
        for deployment in client.read_deployments():
            client.delete_deployment(deployment.id)


def register_all(client, **changes):
    for deployment in DEPLOYMENTS:
        register(client, deployment, parameters={"store": "/a"}, job_variables=FLEET_JOB_VARIABLES, **changes)


def known(client):
    return {deployment.name: deployment for deployment in client.read_deployments()}


def shown(deployment):
    schedules = [(item.schedule.cron, item.schedule.timezone, item.active) for item in deployment.schedules]
    return {name: getattr(deployment, name) for name in SAME} | {"schedules": schedules}


def test_the_file_is_what_the_table_says():
    assert (REPOSITORY / "prefect.yaml").read_text() == as_yaml(), "run `ropewalk deployments --yaml > prefect.yaml`"


def test_the_table_has_the_pipeline_and_every_stage_and_sends_heavy_ones_to_the_gpu_pool():
    assert [item.full_name for item in DEPLOYMENTS] == ["ropewalk/pipeline", *(f"{FLOW}/{s.name}" for s in STAGES)]
    assert [item.name for item in DEPLOYMENTS if item.pool == GPU_POOL] == [
        "align",
        "warm_up",
        "reinforce",
        "extrapolate",
        "evaluate",
    ]
    assert {item.pool for item in DEPLOYMENTS} == {CPU_POOL, GPU_POOL}


def test_every_entry_of_the_file_names_its_pool():
    entries = yaml.safe_load(as_yaml())["deployments"]
    assert len(entries) == 1 + len(STAGES) and all(entry["work_pool"]["name"] for entry in entries)


@pytest.mark.slow
def test_a_fleet_gets_the_same_deployments_as_a_single_machine(client, server):
    register_all(client)
    ours = known(client)
    for deployment in ours.values():
        client.delete_deployment(deployment.id)
    environment = os.environ | {"PREFECT_API_URL": server.url}
    line = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(line, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = known(client)
    assert {name: shown(item) for name, item in theirs.items()} == {name: shown(item) for name, item in ours.items()}
    for name, deployment in theirs.items():
        assert deployment.pull_steps in (None, [])
        assert deployment.parameter_openapi_schema["properties"] == ours[name].parameter_openapi_schema["properties"]

    register_for_a_fleet("nano", cron=None)  # takes them over, and refuses what the forms do not have
    for name, deployment in known(client).items():
        assert shown(deployment) == shown(ours[name]) and deployment.parameters == {"profile": "nano"}
        assert deployment.parameter_openapi_schema == ours[name].parameter_openapi_schema


def test_a_schedule_is_off_until_it_is_asked_for_and_then_stays_as_somebody_left_it(client):
    register_all(client)
    (schedule,) = known(client)["pipeline"].schedules
    assert (schedule.schedule.cron, schedule.active) == ("0 3 * * *", False)
    register(client, DEPLOYMENTS[0], parameters={}, job_variables={}, cron="*/5 * * * *")
    (schedule,) = known(client)["pipeline"].schedules
    assert (schedule.schedule.cron, schedule.active) == ("*/5 * * * *", True)
    client.update_deployment_schedule(known(client)["pipeline"].id, schedule.id, active=False)
    register_all(client)
    (schedule,) = known(client)["pipeline"].schedules
    assert (schedule.schedule.cron, schedule.active) == ("*/5 * * * *", False)


def test_a_schedule_that_somebody_has_added_stays(client):
    register_all(client)
    pipeline = known(client)["pipeline"]
    client.create_deployment_schedules(pipeline.id, [(CronSchedule(cron="15 6 * * 1"), True)])  # as the pages do
    register_all(client)
    register(client, DEPLOYMENTS[0], parameters={}, job_variables={}, cron="*/7 * * * *")
    crons = {(item.schedule.cron, item.active) for item in known(client)["pipeline"].schedules}
    assert crons == {("15 6 * * 1", True), ("*/7 * * * *", True)}


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("ropewalk/pipeline", {"profil": "nano"}, "'profil' was unexpected"),
        ("ropewalk/pipeline", {"profile": "lapto"}, "Validation failed for field 'profile'"),
        (f"{FLOW}/reinforce", {"inputs": {"warm_up": "soon"}}, "Validation failed for field 'inputs.warm_up'"),
    ],
)
def test_the_server_refuses_what_the_form_does_not_have(client, name, parameters, said):
    register_all(client)
    deployment = client.read_deployment_by_name(name)
    with pytest.raises(PrefectHTTPStatusError) as caught:
        client.create_flow_run_from_deployment(deployment.id, parameters=parameters)
    assert said in caught.value.response.text


def test_a_registered_profile_of_one_s_own_is_found_from_any_folder(client, tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("seed = 3\n")
    monkeypatch.chdir(tmp_path)
    register_for_a_fleet("mine.toml", cron="*/9 * * * *")
    pipeline = known(client)["pipeline"]
    assert pipeline.parameters == {"profile": str(tmp_path / "mine.toml")}
    assert [(item.schedule.cron, item.active) for item in pipeline.schedules] == [("*/9 * * * *", True)]
    with pytest.raises(SettingsError, match="'often' is no cron expression"):
        register_for_a_fleet("nano", cron="often")


def test_the_pods_of_a_fleet_run_commands_that_there_are_and_mount_what_is_declared():
    manifests = list(yaml.safe_load_all((FLEET / "kubernetes.yaml").read_text()))
    assert all({"apiVersion", "kind", "metadata"} <= item.keys() for item in manifests)
    named = {(item["kind"], item["metadata"]["name"]) for item in manifests}
    pods = [item["spec"]["template"]["spec"] for item in manifests if item["kind"] == "Deployment"]
    assert len(pods) == 3
    for pod in pods:
        (container,) = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            assert claim is None or ("PersistentVolumeClaim", claim) in named
        program, command, *options = container["command"]
        assert program == "ropewalk"
        with get_command(app).commands[command].make_context(command, [*options, "--store", "/tmp"]):
            pass


def test_the_server_takes_the_template_of_a_kubernetes_pool(client):
    template = json.loads((FLEET / "kubernetes-pool.json").read_text())
    client.create_work_pool(WorkPoolCreate(name="pods", type="kubernetes", base_job_template=template))
    assert client.read_work_pool("pods").base_job_template == template
    pod = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(template["job_configuration"])))
    assert used == set(template["variables"]["properties"])


def test_scripts_of_a_fleet_have_the_syntax_of_their_kind():
    for script in sorted(FLEET.glob("*.sbatch")):
        done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert script.read_text().startswith("#!/bin/bash\n")
