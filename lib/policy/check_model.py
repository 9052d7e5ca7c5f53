"""Whether a model is computed here as its own code computes it.

Sampler and trainer put many sequences into one row, and who attends to whom reaches our attention by way of the
model's layers. One whose layers do not pass it on, or whose state is more than keys and values, would sample and train
on wrong numbers without a sign of it, so every one is tried on a few tokens first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import torch
from transformers import PreTrainedModel

from lib.errors import PolicyError
from lib.policy import attention
from lib.policy.quiet import quiet_transformers

MOST_APART = 5e-4  # of log-probabilities in float32
SHARED, BRANCH = 3, 4  # tokens of the sequences' common beginning, and of what follows it in each


@torch.no_grad()
def check_model(
    model: PreTrainedModel,
    logprobs: Callable[[Sequence[Sequence[int]]], Sequence[Sequence[float]]],
    *,
    does: str,
    next_step: str,
) -> None:
    """Compare two sequences that are computed side by side with the model's own pass over each.

    Args:
        model: in float32 and evaluation mode, with our attention.
        logprobs: of each sequence's tokens but the first, in the way that is checked.
        does: what it is for, as a word of the message.
        next_step: what to do about a model that does not fit.

    Raises:
        PolicyError: they differ, or one of them cannot be computed.
    """
    sequences = _sequences(model)
    try:
        found = logprobs(sequences)
    except PolicyError:
        raise
    except Exception as error:  # boundary: code of a model that is not known here
        raise PolicyError(
            f"{type(model).__name__} cannot be {does}: {type(error).__name__}: {error}.", next_step=next_step
        ) from error
    own = own_logprobs(model, sequences)
    apart = float((torch.as_tensor(found, dtype=torch.float32).cpu() - own).abs().max())
    if not apart <= MOST_APART:
        raise PolicyError(
            f"{type(model).__name__} cannot be {does}: two sequences side by side get other probabilities than by its "
            f"own code; log-probabilities differ by {apart:.2g}.",
            next_step=next_step,
        )


@torch.no_grad()
def own_logprobs(model: PreTrainedModel, sequences: Sequence[Sequence[int]], **arguments: object) -> torch.Tensor:
    """``[sequences, tokens - 1]`` log-probabilities of all tokens but the first, under the attention of its own code.

    Args:
        sequences: of equal length.
        arguments: of the model's forward pass, besides.
    """
    ids = torch.tensor(sequences, device=next(model.parameters()).device)
    with own_attention(model):
        logits = model(input_ids=ids, use_cache=False, **arguments).logits[:, :-1].float()
    return logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0].cpu()


@contextmanager
def own_attention(model: PreTrainedModel) -> Iterator[None]:
    """The language model attends inside as its own code does; a vision encoder does so always."""
    sees = getattr(model.config, "vision_config", None) is not None
    chosen = [{"text_config": name, "vision_config": "sdpa"} if sees else name for name in ("eager", attention.NAME)]
    with quiet_transformers():
        model.set_attn_implementation(chosen[0])
        try:
            yield
        finally:
            model.set_attn_implementation(chosen[1])


def _sequences(model: PreTrainedModel) -> list[list[int]]:
    """Two of plain tokens, none of which stands for an image or an end."""
    config = model.config.get_text_config()
    special = {
        value
        for settings in (model.config, config)
        for name, value in settings.to_dict().items()
        if name.endswith("token_id")
        for value in (value if isinstance(value, list) else [value])
    }
    plain = (token for token in range(config.vocab_size) if token not in special)
    tokens = list(islice(plain, SHARED + 2 * BRANCH))
    return [tokens[: SHARED + BRANCH], tokens[:SHARED] + tokens[SHARED + BRANCH :]]
