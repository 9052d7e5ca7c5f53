"""Multi-turn reinforcement learning with the tools of the environment, as a DeepSpeed job."""

from __future__ import annotations

from data_contracts.training import REINFORCEMENT
from tasks.databases import DATABASES
from tasks.images import IMAGES
from tasks.jobs import job
from tasks.prefect_task import stage_task
from tasks.source import SOURCE
from tasks.stage import Stage
from tasks.synthesize import SYNTHESIZE
from tasks.warm_up import WARM_UP

MODULE = "lib.learning.reinforce"

REINFORCE = Stage(
    name="reinforce",
    kind=REINFORCEMENT,
    work=job(MODULE, launcher="deepspeed"),
    module=MODULE,
    inputs=(SOURCE, DATABASES, IMAGES, SYNTHESIZE, WARM_UP),
    settings=("policy", "engine", "environment", "workers", "reinforce"),
    libraries=("bm25s", "deepspeed", "duckdb", "numpy", "safetensors", "sqlglot", "torch", "transformers"),
    heavy=True,
)

reinforce = stage_task(REINFORCE)
