"""An image as a policy takes it: placeholder tokens in the text, and tensors for its vision encoder.

Both come from the model's own processor, so that their numbers agree whatever the model: one image may become a fixed
number of placeholders, or as many as its size asks for, or several tiles with tokens between them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache

import torch
from jinja2 import TemplateError
from PIL import Image
from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin

from lib.environments.environment import ImageRef
from lib.errors import PolicyError
from lib.policy.grid_processor import GridProcessor

# Opens an image, or the part of it inside a box.
OpenImage = Callable[[str, tuple[int, int, int, int] | None], Image.Image]

MOST_KEPT = 4096  # images whose tensors are kept; 64 x 64 pixels take 48 KiB
GRID = "image_grid_thw"  # of patches before they are merged, by the processors of Qwen2-VL and its successors
_STAND_IN = "QUESTION-7c1"
# What a processor gives beside the tensors of an image.
_TEXT_KEYS = frozenset({"input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids"})


class ImageEncoder:
    """Images by their names, for one model.

    Args:
        processor: the model's.
        open_image: where the pixels are.
        hidden: show a grey image of the same size in place of each, for a baseline that sees nothing.
    """

    def __init__(self, processor: ProcessorMixin | GridProcessor, open_image: OpenImage, *, hidden: bool = False):
        self._processor, self._open, self._hidden = processor, open_image, hidden
        self._written = _written_image(processor)
        self.patch_token: int = processor.image_token_id
        self._encoded = lru_cache(MOST_KEPT)(self._encode)
        # Episodes and trainer work in two threads, and a tokenizer cannot be used in both at once.
        self._lock = threading.Lock()

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self._processor.tokenizer

    def tokens(self, image: ImageRef) -> list[int]:
        """What stands for the image in a conversation."""
        return list(self._encoded(image)[0])

    def num_patches(self, image: ImageRef) -> int:
        """Placeholders among them."""
        return self._encoded(image)[0].count(self.patch_token)

    @property
    def has_grids(self) -> bool:
        """Whether the model gives patches a row and a column."""
        return hasattr(self._processor.image_processor, "merge_size")

    def grid(self, image: ImageRef) -> tuple[int, int, int]:
        """Patches in time, rows and columns, as the language model gets them."""
        time, rows, columns = self._encoded(image)[1][GRID][0].tolist()
        merged = self._processor.image_processor.merge_size
        return time, rows // merged, columns // merged

    def tensors(self, image: ImageRef) -> dict[str, torch.Tensor]:
        """What the vision encoder takes, by argument name; a batch of one image."""
        return self._encoded(image)[1]

    def _encode(self, image: ImageRef) -> tuple[tuple[int, ...], dict[str, torch.Tensor]]:
        pixels = self._open(image.id, image.box)
        if self._hidden:
            pixels = Image.new("RGB", pixels.size, (128, 128, 128))
        with self._lock:
            made: BatchFeature = self._processor(text=[self._written], images=[pixels], return_tensors="pt")
        tokens = tuple(made["input_ids"][0].tolist())
        if self.patch_token not in tokens:
            raise PolicyError(
                f"the processor writes no placeholder for the image {image.id}",
                where=type(self._processor).__name__,
                next_step="take a model whose processor expands images into placeholder tokens",
            )
        return tokens, {name: value for name, value in made.items() if name not in _TEXT_KEYS}


def _written_image(processor: ProcessorMixin | GridProcessor) -> str:
    """How the model's chat template writes an image; its bare placeholder where the template takes texts only."""
    parts = [{"type": "image"}, {"type": "text", "text": _STAND_IN}]
    try:
        rendered, plain = (
            processor.tokenizer.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
            for content in (parts, [parts[1]])
        )
        start = plain.index(_STAND_IN)
        written = rendered[start : rendered.index(_STAND_IN)]
    except (TemplateError, TypeError, ValueError):  # a template that takes texts only
        return processor.image_token
    return written if processor.image_token in written else processor.image_token
