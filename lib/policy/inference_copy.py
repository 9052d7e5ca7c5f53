"""A model for sampling that computes as the trainer does, without casting weights at every step.

Under autocast a trainer multiplies in bfloat16 and keeps weights, norms and the residual stream
in float32. Here linear layers hold their weights in bfloat16 from the start, and everything else
stays in float32; `load_weights` brings all of it up to date after an optimizer step.

On a CPU the weights are kept in the order in which oneDNN multiplies. Otherwise it brings them into that order at
every product, which with the few rows of a decoding step takes as long as the product itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from lib.errors import EngineError


class CastLinear(nn.Module):
    """A linear layer whose weight is kept in a lower precision."""

    def __init__(self, source: nn.Linear, dtype: torch.dtype):
        super().__init__()
        self.dtype = dtype
        self.register_buffer("weight", source.weight.detach().to(dtype))
        self.register_buffer("bias", None if source.bias is None else source.bias.detach().to(dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(x.to(self.dtype), self.weight, self.bias)


class PackedLinear(nn.Module):
    """A linear layer whose weight is kept in bfloat16 and in oneDNN's own order; for CPUs."""

    def __init__(self, source: nn.Linear):
        super().__init__()
        self.register_buffer("bias", None if source.bias is None else source.bias.detach().bfloat16())
        self.load_weight(source.weight.detach())

    @staticmethod
    def fits(source: nn.Linear, dtype: torch.dtype) -> bool:
        """Whether this machine multiplies the layer in that precision through oneDNN."""
        on_cpu = source.weight.device.type == "cpu" and dtype == torch.bfloat16 and torch.backends.mkldnn.is_available()
        return on_cpu and torch.ops.mkldnn._is_mkldnn_bf16_supported()

    def load_weight(self, weight: torch.Tensor) -> None:
        # The operators that torch's own compiler calls; there is no public name for them.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.bfloat16(), None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x.bfloat16(), self._weight, self.bias, "none", [], "")


class InferenceCopy:
    """Takes a model over for sampling.

    Tied weights come apart: the embedding stays in float32 and the output head gets a copy in
    ``dtype``, so an update has to name both.
    """

    def __init__(self, model: nn.Module, *, dtype: torch.dtype):
        self.module = model.eval().requires_grad_(False)
        self._names = {name for name, _ in model.named_parameters(remove_duplicate=False)}
        if dtype != torch.float32:
            for parent in list(model.modules()):
                for name, child in list(parent.named_children()):
                    if isinstance(child, nn.Linear):
                        fits = PackedLinear.fits(child, dtype)
                        setattr(parent, name, PackedLinear(child) if fits else CastLinear(child, dtype))
        tensors = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
        self._load: dict[str, Callable[[torch.Tensor], object]] = {name: tensor.copy_ for name, tensor in tensors}
        self._load |= {
            f"{name}.weight": layer.load_weight
            for name, layer in model.named_modules()
            if isinstance(layer, PackedLinear)
        }

    @torch.no_grad()
    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Copy every named tensor; a weight that two layers share comes once under each name.

        Raises EngineError where one was not named, which would sample with its old numbers.
        """
        named = set()
        for name, tensor in weights:
            self._load[name](tensor)
            named.add(name)
        if missing := sorted(self._names - named):
            raise EngineError(
                f"An update of the weights names {len(named)} tensors and leaves {len(missing)} as they were.",
                where=missing[0],
                next_step="send all weights, tied ones under each of their names",
            )
