"""What stands in a sampling model's input: the vectors of its tokens, and those of images in place of their patches.

The features of an image are computed once, for all sessions and turns that show it, until the weights change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lib.environments.environment import ImageRef
from lib.policy.image_encoder import ImageEncoder
from lib.policy.image_features import image_features, join_tensors, place_features
from lib.policy.patch_ids import PatchIds
from lib.policy.rotary_positions import RotaryPositions
from lib.policy.session_slots import Session

# Images of one pass of the vision encoder; bounds its memory.
IMAGES_AT_ONCE = 32


class ImageInputs:
    """For one model and its images."""

    def __init__(self, model: torch.nn.Module, encoder: ImageEncoder):
        self._model, self._encoder = model, encoder
        self.patches = PatchIds(encoder.patch_token)
        self._rotary = RotaryPositions(encoder, self.patches)
        self._features: dict[ImageRef, torch.Tensor] = {}  # [patches, levels x width]

    def forget(self) -> None:
        """The weights have changed."""
        self._features.clear()

    @property
    def has_grids(self) -> bool:
        """Whether the model gives patches a row and a column."""
        return self._encoder.has_grids

    def positions(self, session: Session, start: int, number: int) -> np.ndarray:
        """``[3, number]`` of a session's tokens from ``start`` on."""
        if session.positions is None:
            session.positions = self._rotary.of(session.request.prompt)
        known = session.positions[:, start : start + number]
        sampled = number - known.shape[1]
        following = session.positions[:, -1:] + 1 + start + known.shape[1] - session.positions.shape[1]
        return np.concatenate([known, following + np.arange(sampled)], axis=1)

    @torch.no_grad()
    def embed(self, ids: Sequence[int]) -> tuple[torch.Tensor, dict[str, object]]:
        """Vectors ``[ids, width]``, and a decoder's arguments for what its deeper layers get.

        Ids below zero are patches of images.
        """
        embedding = self._model.get_input_embeddings()
        device = embedding.weight.device
        vectors = embedding(torch.tensor([max(id, 0) for id in ids], device=device))
        patches = [(place, *self.patches.decode(id)) for place, id in enumerate(ids) if id < 0]
        if not patches:
            return vectors, {}
        self._compute(list(dict.fromkeys(image for _, image, _ in patches)))
        rows = torch.stack([self._features[image][offset] for _, image, offset in patches])
        return place_features(vectors, torch.tensor([place for place, _, _ in patches], device=device), rows)

    def _compute(self, images: Sequence[ImageRef]) -> None:
        device = self._model.get_input_embeddings().weight.device
        missing = [image for image in images if image not in self._features]
        for start in range(0, len(missing), IMAGES_AT_ONCE):
            chunk = missing[start : start + IMAGES_AT_ONCE]
            tensors = join_tensors([self._encoder.tensors(image) for image in chunk])
            found = image_features(self._model, {name: value.to(device) for name, value in tensors.items()})
            sizes = [self._encoder.num_patches(image) for image in chunk]
            self._features |= dict(zip(chunk, found.split(sizes), strict=True))
