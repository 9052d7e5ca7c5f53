"""The processor of Qwen2-VL and its successors without its part for videos, which needs torchvision.

In: texts in which the model's placeholder stands for each image. Out: token ids in which it comes as often as the image
has patches, the images' tensors, and their grids. The files are those of the model's own processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, BaseImageProcessor, BatchFeature, PreTrainedTokenizerBase


class GridProcessor:
    """For one model. It serves a run; nothing is saved from it.

    Args:
        image_processor: gives ``image_grid_thw``, and says by ``merge_size`` how many patches a side become one.
        image_token_id: the placeholder's.
    """

    def __init__(self, image_processor: BaseImageProcessor, tokenizer: PreTrainedTokenizerBase, *, image_token_id: int):
        self.image_processor, self.tokenizer, self.image_token_id = image_processor, tokenizer, image_token_id
        self.image_token: str = tokenizer.convert_ids_to_tokens(image_token_id)

    @classmethod
    def load(cls, checkpoint: Path, tokenizer: PreTrainedTokenizerBase) -> GridProcessor | None:
        """None where the checkpoint's images come without grids."""
        image_processor = AutoImageProcessor.from_pretrained(checkpoint, local_files_only=True, backend="pil")
        if not hasattr(image_processor, "merge_size"):
            return None
        config = AutoConfig.from_pretrained(checkpoint, local_files_only=True)
        return cls(image_processor, tokenizer, image_token_id=config.image_token_id)

    def __call__(self, *, text: Sequence[str], images: Sequence[Image.Image], return_tensors: str) -> BatchFeature:
        """For one text."""
        made = self.image_processor(images=list(images), return_tensors=return_tensors)
        sizes = iter((made["image_grid_thw"].prod(dim=1) // self.image_processor.merge_size**2).tolist())
        ids: list[int] = []
        for id in self.tokenizer(text[0], add_special_tokens=False)["input_ids"]:
            ids += [id] * (next(sizes) if id == self.image_token_id else 1)
        return BatchFeature({**made, "input_ids": torch.tensor([ids])})
