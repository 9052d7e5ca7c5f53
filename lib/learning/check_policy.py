"""Whether a policy is trained here on what its own code computes.

Trainers compute many sequences as one forest and merge images into conversations on their own. Models differ in that:
some do not pass on who attends to whom, some scale their logits, some give patches a row and a column, some feed them
to several layers, some let them attend to each other. A model of a kind that is not known here would train on wrong
numbers without a sign of it, so every one is tried first: on a few tokens, and where there are images, on some.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel

from lib.environments.environment import ImageRef, Message
from lib.errors import PolicyError
from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy.check_model import MOST_APART, check_model, own_logprobs
from lib.policy.conversation import ChatFormat
from lib.policy.image_features import join_tensors

ASKED = "What do the pictures show?"


def check_texts(model: PreTrainedModel) -> None:
    """Compare log-probabilities of two sequences in one forest with those of the model's own passes.

    Args:
        model: in float32 and evaluation mode.

    Raises:
        PolicyError: they differ.
    """

    def logprobs(sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        samples = [Sample(list(s), [False] + [True] * (len(s) - 1), [0.0] * len(s)) for s in sequences]
        (batch,) = make_micro_batches(samples, max_nodes=sum(map(len, sequences)))
        found = ActionLogProbs(model, dtype=torch.float32)(batch.to(next(model.parameters()).device))
        return [part.tolist() for part in found.split([len(s) - 1 for s in sequences])]

    check_model(model, logprobs, does="trained", next_step="choose another model")


@torch.no_grad()
def check_images(model: PreTrainedModel, chat: ChatFormat, images: Sequence[ImageRef], *, where: Path) -> None:
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


def _own(model: PreTrainedModel, chat: ChatFormat, tokens: Sequence[int], images: Sequence[ImageRef]) -> torch.Tensor:
    """The log-probability ``[tokens - 1]`` of each token but the first."""
    device = next(model.parameters()).device
    tensors = join_tensors([chat.encoder.tensors(image) for image in images])
    arguments = {name: value.to(device) for name, value in tensors.items()}
    if "mm_token_type_ids" in inspect.signature(model.forward).parameters:
        arguments["mm_token_type_ids"] = (torch.tensor([tokens], device=device) == chat.encoder.patch_token).int()
    return own_logprobs(model, [tokens], **arguments)[0]
