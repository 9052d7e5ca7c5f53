"""A model for sampling that computes as the trainer does, without casting weights at every step.

Under autocast a trainer multiplies in bfloat16 and keeps weights, norms and the residual stream
in float32. Here linear layers hold their weights in bfloat16 from the start, and everything else
stays in float32; `load_weights` brings all of it up to date after an optimizer step.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


class CastLinear(nn.Module):
    """A linear layer whose weight is kept in a lower precision."""

    def __init__(self, source: nn.Linear, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype
        self.register_buffer("weight", source.weight.detach().to(dtype))
        self.register_buffer("bias", None if source.bias is None else source.bias.detach().to(dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x.to(self.dtype), self.weight, self.bias)


class InferenceCopy:
    """Takes a model over for sampling.

    Tied weights come apart: the embedding stays in float32 and the output head gets a copy in
    ``dtype``, so an update has to name both.
    """

    def __init__(self, model: nn.Module, *, dtype: torch.dtype):
        self.module = model.eval().requires_grad_(False)
        if dtype != torch.float32:
            for parent in list(model.modules()):
                for name, child in list(parent.named_children()):
                    if isinstance(child, nn.Linear):
                        setattr(parent, name, CastLinear(child, dtype))
        tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
        self._targets = dict(tensors)

    @torch.no_grad()
    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy every named tensor; a weight that two layers share comes once under each name."""
        for name, tensor in weights:
            self._targets[name].copy_(tensor)
