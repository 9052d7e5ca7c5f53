"""The checkpoint ahead of the trained ones, chosen on the validation split."""

from __future__ import annotations

from data_contracts.training import EXTRAPOLATION
from tasks.databases import DATABASES
from tasks.images import IMAGES
from tasks.jobs import job
from tasks.prefect_task import stage_task
from tasks.reinforce import REINFORCE
from tasks.source import SOURCE
from tasks.stage import Stage
from tasks.synthesize import SYNTHESIZE
from tasks.warm_up import WARM_UP

MODULE = "lib.extrapolation.extrapolate"

EXTRAPOLATE = Stage(
    name="extrapolate",
    kind=EXTRAPOLATION,
    work=job(MODULE, launcher="process"),
    module=MODULE,
    inputs=(SOURCE, DATABASES, IMAGES, SYNTHESIZE, WARM_UP, REINFORCE),
    settings=("policy", "engine", "environment", "extrapolate", "evaluate"),
    libraries=("bm25s", "duckdb", "numpy", "safetensors", "sqlglot", "torch", "transformers"),
    heavy=True,
)

extrapolate = stage_task(EXTRAPOLATE)
