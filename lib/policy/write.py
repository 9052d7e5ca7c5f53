"""A model and its tokenizer in memory -> a checkpoint directory."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from lib.policy.quiet import quiet_transformers
from lib.policy.save import WEIGHTS, save_weights


def write_checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, checkpoint: Path) -> None:
    """Writes float32 safetensors, config, tokenizer and chat template.

    The model's own save_pretrained would import DeepSpeed, which takes seconds and writes to standard output.
    """
    model.config.architectures = [type(model).__name__]
    with quiet_transformers():
        model.config.save_pretrained(checkpoint)
        if model.generation_config is not None:
            model.generation_config.save_pretrained(checkpoint)
        tokenizer.save_pretrained(checkpoint)
    save_weights(model.named_parameters(), checkpoint / WEIGHTS, dtype=torch.float32)
