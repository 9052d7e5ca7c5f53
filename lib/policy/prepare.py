"""The stage `base`: settings of a policy -> a checkpoint directory from which everything starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from data_contracts.training import CHECKPOINT
from lib.policy.nano import make_nano
from lib.policy.pretrained import copy_pretrained
from lib.policy.smollm2 import convert_smollm2
from lib.progress import Progress
from lib.settings.policy import NanoPolicy, PolicySettings, PretrainedPolicy, SmolLM2Policy

# Each takes (settings, checkpoint=, texts=, seed=, progress=) and fills the empty directory `checkpoint`.
PREPARE: dict[type, Callable[..., None]] = {
    SmolLM2Policy: convert_smollm2,
    NanoPolicy: make_nano,
    PretrainedPolicy: copy_pretrained,
}


def prepare_policy(settings: PolicySettings, *, texts: Sequence[str], out: Path, seed: int, progress: Progress) -> None:
    """Writes `out`/checkpoint: safetensors, config, tokenizer and chat template.

    Args:
        texts: what a policy from scratch learns its tokens from; see lib.policy.source_texts.
        seed: of the weights of a policy from scratch.

    Raises:
        PolicyError: a model is absent, broken or out of reach.
    """
    checkpoint = out / CHECKPOINT
    checkpoint.mkdir(parents=True)
    PREPARE[type(settings)](settings, checkpoint=checkpoint, texts=texts, seed=seed, progress=progress)
