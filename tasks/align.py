"""A language model that sees: a vision encoder from scratch, aligned with the words for the source's images."""

from __future__ import annotations

from data_contracts.training import ALIGNMENT
from tasks.base import BASE
from tasks.images import IMAGES
from tasks.jobs import job
from tasks.prefect_task import stage_task
from tasks.stage import Stage

MODULE = "lib.learning.align"

ALIGN = Stage(
    name="align",
    kind=ALIGNMENT,
    work=job(MODULE, launcher="process"),
    module=MODULE,
    inputs=(IMAGES, BASE),
    settings=("policy", "workers", "align"),
    libraries=("numpy", "pillow", "safetensors", "tokenizers", "torch", "transformers"),
    heavy=True,
    domain="vision",
)

align = stage_task(ALIGN)
