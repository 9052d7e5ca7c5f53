"""Logits of hidden states, by themselves: of some positions only, or where a model's own pass would merge images."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel


def logits_of(model: PreTrainedModel, hidden: torch.Tensor) -> torch.Tensor:
    """``[..., vocabulary]``: what the output head makes of ``[..., width]``, multiplied or capped as the model says.

    The names of settings are those of transformers' models: Cohere multiplies, Granite divides, Gemma 2 caps. Whether
    a model reads them so is tried before it samples or trains (lib/policy/check_model.py).
    """
    config = model.config.get_text_config()
    logits = model.get_output_embeddings()(hidden)
    if (factor := getattr(config, "logit_scale", None)) is not None:
        logits = logits * factor
    if (divisor := getattr(config, "logits_scaling", None)) is not None:
        logits = logits / divisor
    if (cap := getattr(config, "final_logit_softcapping", None)) is not None:
        logits = torch.tanh(logits / cap) * cap
    return logits
