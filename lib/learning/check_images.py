"""Whether a model that takes images is computed here as it computes itself.

Sampler and trainer merge images into a conversation on their own. Models differ in that: some give patches a row and a
column, some feed them to several layers, some let them attend to each other. A model of a kind that is not known here
would train on wrong numbers without a sign of it, so every one is tried on an image first.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

import torch

from lib.environments.environment import ImageRef, Message
from lib.errors import PolicyError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy import attention
from lib.policy.conversation import ChatFormat
from lib.policy.image_features import join_tensors

MOST_APART = 5e-4  # of log-probabilities in float32
ASKED = "What do the pictures show?"


@torch.no_grad()
def check_images(model: torch.nn.Module, chat: ChatFormat, images: Sequence[ImageRef], *, where: Path) -> None:
    """Compare log-probabilities after images with those of the model's own forward pass.

    Raises:
        PolicyError: they differ.
    """
    shown = [part for number, image in enumerate(images, start=1) for part in (f"Picture {number}: ", image, "\n")]
    said = chat.encode_prompt([Message("user", (*shown, ASKED))])
    first = said.images[-1].end
    trained = [place >= first for place in range(len(said.tokens))]
    sample = Sample(said.tokens, trained, [0.0] * len(trained), images=tuple(said.images))
    (batch,) = make_micro_batches([sample], max_nodes=len(trained), encoder=chat.encoder)
    device = next(model.parameters()).device
    found = ActionLogProbs(model, dtype=torch.float32)(batch.to(device)).cpu()
    apart = float((found - _own(model, chat, said.tokens, images)[first - 1 :]).abs().max())
    if not apart <= MOST_APART:
        raise PolicyError(
            f"{type(model).__name__} gives other probabilities after an image than its own code: log-probabilities "
            f"differ by {apart:.2g}.",
            where=str(where),
            kept="the policy's files and the images",
            next_step="take a model that puts patches into the conversation as tokens, such as Idefics3, "
            "Qwen2.5-VL or Qwen3-VL",
        )


def _own(model: torch.nn.Module, chat: ChatFormat, tokens: Sequence[int], images: Sequence[ImageRef]) -> torch.Tensor:
    """The log-probability ``[tokens - 1]`` of each token but the first."""
    device = next(model.parameters()).device
    ids = torch.tensor([tokens], device=device)
    tensors = join_tensors([chat.encoder.tensors(image) for image in images])
    arguments = {name: value.to(device) for name, value in tensors.items()}
    if "mm_token_type_ids" in inspect.signature(model.forward).parameters:
        arguments["mm_token_type_ids"] = (ids == chat.encoder.patch_token).int()
    model.set_attn_implementation({"text_config": "sdpa", "vision_config": "sdpa"})
    try:
        logits = model(input_ids=ids, **arguments).logits[0, :-1].float().cpu()
    finally:
        model.set_attn_implementation({"text_config": attention.NAME, "vision_config": "sdpa"})
    return logits.log_softmax(-1).gather(1, torch.tensor(tokens[1:])[:, None])[:, 0]
