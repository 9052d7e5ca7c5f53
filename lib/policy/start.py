"""Where a run's policies begin: the aligned model where there is one, else the language model as it came."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def start_of(inputs: Mapping[str, Path]) -> Path:
    """Among a stage's inputs, the artifact whose checkpoint is trained on."""
    return inputs.get("align") or inputs["base"]
