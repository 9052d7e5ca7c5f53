"""Settings -> the engine that samples, for one checkpoint after another.

Servers take long to start, so one set of them serves every checkpoint in turn; an engine in this process is made anew.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import torch

from lib.policy.device import own_device
from lib.policy.engine import TrainedEngine
from lib.policy.image_encoder import ImageEncoder
from lib.policy.load import load_model
from lib.policy.precision import dtype_of
from lib.policy.transformers_engine import TransformersEngine
from lib.policy.vllm_engine import VllmEngine
from lib.policy.weight_file import read_weights
from lib.settings.policy import EngineSettings, VllmEngineSettings


class Engines:
    """Use as a context manager: its end is that of the servers.

    Args:
        logs: folder for what servers print.
        rank: of this process; of ranks that share servers, the first sends the weights.
    """

    def __init__(self, settings: EngineSettings, *, logs: Path, rank: int = 0):
        self._settings, self._logs, self._rank = settings, logs, rank
        self._servers: VllmEngine | None = None

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._servers is not None:
            self._servers.close()

    def of(self, checkpoint: Path, encoder: ImageEncoder | None = None) -> TrainedEngine:
        """An engine that samples with the checkpoint's weights; of servers, there is one at a time.

        Args:
            encoder: what images become, for a policy that takes them.
        """
        settings = self._settings
        if not isinstance(settings, VllmEngineSettings):
            return engine_of_this_process(checkpoint, settings, encoder)
        if self._servers is None:
            self._servers = VllmEngine(
                checkpoint, settings, logs=self._logs / f"vllm-{self._rank}", gpu=_own_gpu(), leads=self._rank == 0
            )
        else:
            version = self._servers.policy_version + 1
            asyncio.run(self._servers.update_weights(read_weights(checkpoint), version=version))
        return self._servers


def engine_of_this_process(
    checkpoint: Path, settings: EngineSettings, encoder: ImageEncoder | None = None
) -> TransformersEngine:
    """An engine without servers, on this process's GPU where there is one, whatever engine the settings name."""
    return TransformersEngine(
        load_model(checkpoint).to(own_device()),
        max_concurrent=settings.max_concurrent,
        max_tokens=settings.max_tokens,
        dtype=dtype_of(settings.precision),
        encoder=encoder,
    )


def _own_gpu() -> str | None:
    """The name that this rank's GPU has outside this process, which may see a few of them only."""
    if not torch.cuda.is_available():
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    index = own_device().index
    return visible.split(",")[index] if visible else str(index)
