"""Scores of every policy of the chain on held-out questions."""

from __future__ import annotations

from data_contracts.scores import SCORE_SET
from tasks.align import ALIGN
from tasks.base import BASE
from tasks.databases import DATABASES
from tasks.extrapolate import EXTRAPOLATE
from tasks.images import IMAGES
from tasks.jobs import job
from tasks.prefect_task import stage_task
from tasks.reinforce import REINFORCE
from tasks.source import SOURCE
from tasks.stage import Stage
from tasks.synthesize import SYNTHESIZE
from tasks.warm_up import WARM_UP

MODULE = "lib.evaluation.evaluate"

EVALUATE = Stage(
    name="evaluate",
    kind=SCORE_SET,
    work=job(MODULE, launcher="process"),
    module=MODULE,
    inputs=(SOURCE, DATABASES, IMAGES, SYNTHESIZE, BASE, ALIGN, WARM_UP, REINFORCE, EXTRAPOLATE),
    settings=("policy", "engine", "environment", "evaluate"),
    libraries=("bm25s", "duckdb", "numpy", "safetensors", "sqlglot", "torch", "transformers"),
    heavy=True,
)

evaluate = stage_task(EVALUATE)
