"""Fills a server with the work pools and the deployments, for one machine or for a fleet.

Imported after the server's address is in the environment, from which Prefect reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client
from pydantic import ValidationError

from flows.deployments import DEPLOYMENTS, FLEET_JOB_VARIABLES, register
from flows.operating.server_checks import requests_explained
from flows.operating.work_pools import create_missing_pools
from flows.operating.worker import job_variables
from lib.errors import SettingsError


def register_for_this_machine(store: Path, profile: str, cron: str | None) -> None:
    """Runs use this store, and run in this folder with this interpreter."""
    _register_all({"store": str(store.absolute()), "profile": profile}, job_variables(), cron)


def register_for_a_fleet(profile: str, cron: str | None) -> None:
    """Nothing of this machine is said: each worker has its own store's path, folder and interpreter."""
    named = str(Path(profile).absolute()) if profile.endswith(".toml") else profile
    _register_all({"profile": named}, FLEET_JOB_VARIABLES, cron)


def _register_all(parameters: dict[str, Any], job_variables: dict[str, Any], cron: str | None) -> None:
    with requests_explained(), get_client(sync_client=True) as client:
        create_missing_pools(client)
        for deployment in DEPLOYMENTS:
            asked = cron if deployment.cron else None
            try:
                register(client, deployment, parameters=parameters, job_variables=job_variables, cron=asked)
            except ValidationError as error:
                raise SettingsError(
                    f"{cron!r} is no cron expression.",
                    where="--cron",
                    next_step='write five fields, for instance --cron "0 3 * * *"',
                ) from error
