"""Log-probabilities of the trained tokens only.

Logits are the largest tensor of a small model by far (vocabulary x length), and most positions
hold observations. Only the positions that predict a trained token get logits, in chunks whose
activations are computed again in the backward pass.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from lib.learning.token_batch import MicroBatch
from lib.policy.image_features import image_features, place_features, takes_images
from lib.policy.logits import logits_of
from lib.policy.rotary_positions import rows_of_one

# Rows of one chunk of logits: 1,024 x 49,152 values in float32 are 200 MB.
CHUNK = 1024
# Rows of logits worked on together: 32 x 49,152 values in float32 are 6 MB.
CACHED_ROWS = 32


class ActionLogProbs(nn.Module):
    """A causal language model that returns log-probabilities ``[num_trained]``.

    Args:
        model: the language model, in float32.
        dtype: precision of matrix products (autocast); float32 switches it off.
        temperature: that the tokens were sampled at.
    """

    def __init__(self, model: nn.Module, *, dtype: torch.dtype, temperature: float = 1.0):
        super().__init__()
        self.model = model
        self._dtype = dtype
        self._temperature = temperature

    def forward(self, batch: MicroBatch, temperature: float | None = None) -> torch.Tensor:
        """Of every sequence's trained tokens, in the batch's order; ``temperature`` stands in for the model's own."""
        at = self._temperature if temperature is None else temperature
        with torch.autocast(batch.ids.device.type, dtype=self._dtype, enabled=self._dtype != torch.float32):
            arguments = {"position_ids": rows_of_one(batch.positions), "forest": batch.forest, "use_cache": False}
            if batch.images is None and not takes_images(self.model):
                output = self.model.base_model(input_ids=batch.ids[None], **arguments)
            else:
                vectors, deeper = self._embed(batch)
                output = self.model.get_decoder()(inputs_embeds=vectors[None], **deeper, **arguments)
            hidden = output.last_hidden_state[0, batch.source]
            chunks = list(zip(hidden.split(CHUNK), batch.target.split(CHUNK), strict=True))
            if len(chunks) == 1:
                return self._chunk_logprobs(*chunks[0], at)[batch.place]
            parts = [checkpoint(self._chunk_logprobs, *chunk, at, use_reentrant=False) for chunk in chunks]
        return torch.cat(parts)[batch.place]

    def _embed(self, batch: MicroBatch) -> tuple[torch.Tensor, dict[str, object]]:
        """Vectors ``[num_nodes, width]``, those of images in place of their patches, and what deeper layers get."""
        vectors = self.model.get_input_embeddings()(batch.ids)
        if batch.images is None:
            return vectors, {}
        features = image_features(self.model, batch.images.tensors)[batch.images.rows]
        return place_features(vectors, batch.images.nodes, features)

    def _chunk_logprobs(self, hidden: torch.Tensor, target: torch.Tensor, temperature: float) -> torch.Tensor:
        return _TargetLogProbs.apply(logits_of(self.model, hidden), target, temperature)


class _TargetLogProbs(torch.autograd.Function):
    """log softmax(logits / temperature) at one token a row; logits ``[rows, vocabulary]``, tokens ``[rows]``.

    The same in plain operations passes a dozen times over the largest tensor there is, in float32. Here a few rows at
    a time stay in the processor's cache, and the gradient (softmax minus one at the token) is written down at once.
    """

    @staticmethod
    def forward(ctx, logits: torch.Tensor, target: torch.Tensor, temperature: float) -> torch.Tensor:
        total = torch.cat([(part.float() / temperature).logsumexp(dim=-1) for part in logits.split(CACHED_ROWS)])
        ctx.save_for_backward(logits, target, total)
        ctx.temperature = temperature
        return logits.gather(1, target[:, None])[:, 0].float() / temperature - total

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        logits, target, total = ctx.saved_tensors
        gradient = (gradient / ctx.temperature)[:, None]
        written = torch.empty_like(logits)
        parts = (tensor.split(CACHED_ROWS) for tensor in (logits, target[:, None], total[:, None], gradient, written))
        for row_logits, row_target, row_total, row_gradient, out in zip(*parts, strict=True):
            weights = (row_logits.float() / ctx.temperature).sub_(row_total).exp_().mul_(-row_gradient)
            out.copy_(weights.scatter_add_(1, row_target, row_gradient))
        return written, None, None
