"""Where each token of a conversation stands, to a model that gives patches a row and a column.

Qwen2-VL and its successors turn keys and queries by three numbers: a time, a row and a column (M-RoPE, arXiv
2409.12191, section 2.1). A text token has the same in all three; patches of an image share their time, and what follows
goes on behind the longer of the image's sides. Other models count tokens, and need nothing of this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from lib.policy.image_encoder import ImageEncoder
from lib.policy.patch_ids import PatchIds

AXES = 3  # time, row, column


class RotaryPositions:
    """Of sequences in which patches are negative numbers, for models whose processor tells the grids of images."""

    def __init__(self, encoder: ImageEncoder, patches: PatchIds):
        self._encoder, self._patches = encoder, patches

    def of(self, ids: Sequence[int]) -> np.ndarray:
        """``[3, ids]``."""
        places = np.empty((AXES, len(ids)), dtype=np.int64)
        following = start = 0  # the next text token's place, and the first id that has none yet
        while start < len(ids):
            if ids[start] >= 0:
                places[:, start] = following
                following, start = following + 1, start + 1
                continue
            image, offset = self._patches.decode(ids[start])
            assert offset == 0, "patches of an image stand one behind the other"
            grid = self._encoder.grid(image)
            end = start + grid[0] * grid[1] * grid[2]
            places[:, start:end] = following + np.indices(grid).reshape(AXES, -1)[:, : len(ids) - start]
            following, start = following + max(grid[1:]), end
        return places


def rows_of_one(positions: torch.Tensor) -> torch.Tensor:
    """``[axes, tokens]`` of a single row as models take them: ``[1, tokens]``, or ``[3, 1, tokens]``."""
    return positions if len(positions) == 1 else positions[:, None]
