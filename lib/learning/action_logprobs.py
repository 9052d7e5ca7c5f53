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

# Rows of one chunk of logits: 1,024 x 49,152 values in float32 are 200 MB.
CHUNK = 1024


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

    def forward(self, batch: MicroBatch) -> torch.Tensor:
        """Of every sequence's trained tokens, in the batch's order."""
        with torch.autocast(batch.ids.device.type, dtype=self._dtype, enabled=self._dtype != torch.float32):
            output = self.model.base_model(
                input_ids=batch.ids[None],
                position_ids=batch.depth[None],
                forest=batch.forest,
                use_cache=False,
            )
            hidden = output.last_hidden_state[0, batch.source]
            chunks = list(zip(hidden.split(CHUNK), batch.target.split(CHUNK), strict=True))
            if len(chunks) == 1:
                return self._chunk_logprobs(*chunks[0])[batch.place]
            parts = [checkpoint(self._chunk_logprobs, *chunk, use_reentrant=False) for chunk in chunks]
        return torch.cat(parts)[batch.place]

    def _chunk_logprobs(self, hidden: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        logits = self.model.get_output_embeddings()(hidden).float() / self._temperature
        return logits.gather(1, target[:, None])[:, 0] - logits.logsumexp(dim=-1)
