"""Tensors of images -> the vectors that stand in a language model's input in place of their placeholders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn


def takes_images(model: nn.Module) -> bool:
    """Whether the model has a vision encoder that transformers calls by the common name."""
    return hasattr(model, "get_image_features") and hasattr(model.config, "vision_config")


def image_features(model: nn.Module, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Features ``[patches of all images, levels x width]``, in the order of the images.

    The first level stands in the input; a model of several levels (DeepStack, arXiv 2406.04334) adds each of the
    others to the output of one of its first layers.
    """
    found = model.get_image_features(**tensors)
    levels = [getattr(found, "pooler_output", found), *(getattr(found, "deepstack_features", None) or ())]
    return torch.cat([_in_one(level) for level in levels], dim=-1)


def _in_one(features: torch.Tensor | Sequence[torch.Tensor]) -> torch.Tensor:
    """``[patches of all images, width]``."""
    parts = features if isinstance(features, (list, tuple)) else [features]
    return torch.cat([part.flatten(0, -2) for part in parts])


def place_features(
    vectors: torch.Tensor, places: torch.Tensor, features: torch.Tensor
) -> tuple[torch.Tensor, dict[str, object]]:
    """A decoder's input with images in it, and its arguments for what deeper layers get.

    Args:
        vectors: ``[tokens, width]`` of a single row.
        places: ``[patches]`` of the patches, ascending.
        features: ``[patches, levels x width]``.
    """
    first, *deeper = features.to(vectors.dtype).split(vectors.shape[-1], dim=-1)
    placed = vectors.index_copy(0, places, first)
    if not deeper:
        return placed, {}
    mask = torch.zeros(len(vectors), dtype=torch.bool, device=vectors.device).index_fill(0, places, True)
    return placed, {"visual_pos_masks": mask[None], "deepstack_visual_embeds": deeper}


def join_tensors(tensors: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """One batch of several images; each argument is joined along its first dimension."""
    return {name: torch.cat([one[name] for one in tensors]) for name in tensors[0]}
