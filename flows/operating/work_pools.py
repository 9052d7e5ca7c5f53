"""The work pools of a single machine: `cpu` for everything, `gpu` for what holds an accelerator."""

from __future__ import annotations

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.deployments import CPU_POOL
from tasks.dispatch import GPU_POOL, has_worker

POOLS = (CPU_POOL, GPU_POOL)
# A job takes the devices of its machine from the first on, so two at once would share them.
HEAVY_AT_ONCE = 1


def create_missing_pools(client: SyncPrefectClient) -> None:
    """Pools that are there stay as they are, limits included."""
    for name, limit, about in (
        (CPU_POOL, None, "The pipeline and its light stages."),
        (GPU_POOL, HEAVY_AT_ONCE, "Stages that hold an accelerator; the limit says how many at once."),
    ):
        template = ProcessWorker.get_default_base_job_template()
        pool = WorkPoolCreate(
            name=name, type="process", description=about, base_job_template=template, concurrency_limit=limit
        )
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            continue


def are_ready(client: SyncPrefectClient) -> bool:
    """Whether every pool has a worker that is online."""
    return all(has_worker(client, name) for name in POOLS)
