"""Tensors of images -> the vectors that stand in a language model's input in place of their placeholders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn


def takes_images(model: nn.Module) -> bool:
    """Whether the model has a vision encoder that transformers calls by the common name."""
    return hasattr(model, "get_image_features") and hasattr(model.config, "vision_config")


def image_features(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Features ``[patches of all images, width]``, in the order of the images."""
    found = model.get_image_features(**tensors)
    found = getattr(found, "pooler_output", found)
    if isinstance(found, (list, tuple)):
        return torch.cat([part.flatten(0, -2) for part in found])
    return found.flatten(0, -2)


def join_tensors(tensors: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """One batch of several images; each argument is joined along its first dimension."""
    return {name: torch.cat([one[name] for one in tensors]) for name in tensors[0]}
