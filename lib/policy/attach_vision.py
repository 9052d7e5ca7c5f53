"""A language model -> the same with a small vision encoder, whose weights are still drawn by chance.

The architecture is that of Idefics3 and SmolVLM: a SigLIP-like encoder, patches joined four by four, one linear
connector. Nothing of the language model changes; four tokens are added, as the processor needs them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from lib.policy.write import write_checkpoint
from lib.settings.align import VisionSettings

JOINED = 2  # patches a side that become one token
HEAD_WIDTH = 32
GLOBAL_IMAGE = "<global-img>"  # which the processor writes before an image that is not cut into tiles


def attach_vision(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: VisionSettings, *, seed: int
) -> tuple[Idefics3ForConditionalGeneration, Idefics3Processor]:
    """The model with a vision encoder of the settings' size, and its processor."""
    template = tokenizer.chat_template
    tokenizer.add_tokens([AddedToken(GLOBAL_IMAGE, special=True, normalized=False)], special_tokens=True)
    processor = Idefics3Processor(
        Idefics3ImageProcessorPil(
            size={"longest_edge": settings.side},
            max_image_size={"longest_edge": settings.side},
            do_image_splitting=False,
            do_resize=True,
        ),
        tokenizer,
        image_seq_len=settings.tokens,
        chat_template=template,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = Idefics3Config(
            text_config=model.config.to_dict(),
            vision_config={
                "hidden_size": settings.width,
                "intermediate_size": 4 * settings.width,
                "num_hidden_layers": settings.layers,
                "num_attention_heads": settings.width // HEAD_WIDTH,
                "image_size": settings.side,
                "patch_size": settings.patch,
            },
            scale_factor=JOINED,
            image_token_id=processor.image_token_id,
            tie_word_embeddings=model.config.tie_word_embeddings,
            dtype="float32",
        )
        joined = Idefics3ForConditionalGeneration(config)
        joined.model.text_model.load_state_dict(model.base_model.state_dict())
        if not model.config.tie_word_embeddings:
            joined.lm_head.load_state_dict(model.get_output_embeddings().state_dict())
        joined.resize_token_embeddings(len(tokenizer))
        if model.config.tie_word_embeddings:
            joined.tie_weights()
    return joined.eval(), processor


def write_vision_checkpoint(
    model: Idefics3ForConditionalGeneration, processor: Idefics3Processor, checkpoint: Path
) -> None:
    """As lib.policy.write.write_checkpoint, with the processor."""
    write_checkpoint(model, processor.tokenizer, checkpoint)
    processor.save_pretrained(checkpoint)
