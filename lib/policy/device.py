"""Where a model of this process computes."""

from __future__ import annotations

import os

import torch


def own_device() -> torch.device:
    """The GPU of this rank, of those that the process sees; the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
