"""Supervised training on the demonstrations, as a DeepSpeed job."""

from __future__ import annotations

from data_contracts.training import WARM_UP as KIND
from tasks.align import ALIGN
from tasks.base import BASE
from tasks.demonstrate import DEMONSTRATE
from tasks.images import IMAGES
from tasks.jobs import job
from tasks.prefect_task import stage_task
from tasks.stage import Stage

MODULE = "lib.learning.warm_up"

WARM_UP = Stage(
    name="warm_up",
    kind=KIND,
    work=job(MODULE, launcher="deepspeed"),
    module=MODULE,
    inputs=(IMAGES, BASE, ALIGN, DEMONSTRATE),
    settings=("policy", "engine", "workers", "warm_up"),
    libraries=("deepspeed", "numpy", "safetensors", "torch", "transformers"),
    heavy=True,
)

warm_up = stage_task(WARM_UP)
