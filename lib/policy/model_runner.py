"""The two kinds of forward pass over the slots: prefill extends prompts, decode samples one token a session.

In: sessions that hold a slot. Out: the sessions with what was computed for them. Which sessions a pass takes,
and when a turn has ended, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from lib.policy.inference_copy import InferenceCopy
from lib.policy.sampling import sample_tokens
from lib.policy.session_slots import Session
from lib.policy.slot_cache import Region, SlotCache

# Tokens of one prefill pass, padding included; bounds its memory.
PREFILL_TOKENS = 8192
# Padding tokens that a session may bring into a pass; a pass of its own costs about as much.
PREFILL_PADDING = 64


class ModelRunner:
    """A model for sampling together with the cache that it writes."""

    def __init__(self, model: torch.nn.Module, cache: SlotCache, *, dtype: torch.dtype):
        self._copy = InferenceCopy(model, dtype=dtype)
        self._device = next(model.parameters()).device
        self._cache = cache

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Take over a trained model's weights, tied ones under both names."""
        self._copy.load_weights(weights)

    @torch.no_grad()
    def prefill(self, batch: Sequence[Session]) -> None:
        """Compute the prompts but for their last token, which the next decoding step takes."""
        news = [s.request.prompt[len(s.tokens) : -1] for s in batch]
        starts = [len(s.tokens) for s in batch]
        width = max(len(new) for new in news)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        for row, new in enumerate(news):
            ids[row, : len(new)] = torch.tensor(new)
        region = self._region_of(batch, starts, news)
        self._cache.reserve(region.length)
        place = torch.tensor(starts)[:, None] + torch.arange(width)[None]  # [rows, width]
        mask = torch.arange(region.length)[None, None] <= place[:, :, None]
        self._forward(ids, place.clamp(max=self._cache.capacity - 1), mask[:, None], region, logits=False)
        for session, new in zip(batch, news, strict=True):
            session.tokens = session.tokens + new

    @torch.no_grad()
    def decode(self, batch: Sequence[Session]) -> None:
        """Sample one token for every session; they hold the first slots, in order."""
        feed = [s.next_token for s in batch]
        positions = torch.tensor([len(s.tokens) for s in batch])
        # Over all the room there is: the first slots are then one block of memory, which multiplies fastest.
        length = self._cache.reserve(int(positions.max()) + 1)
        mask = torch.arange(length)[None] <= positions[:, None]
        rows = torch.arange(len(batch), device=self._device)
        region = Region(
            slots=len(batch),
            rows=rows,
            columns=torch.zeros_like(rows),
            positions=positions.to(self._device),
            length=length,
        )
        logits = self._forward(torch.tensor(feed)[:, None], positions[:, None], mask[:, None, None], region)
        tokens, logprobs = sample_tokens(
            logits[:, -1],
            temperature=[s.request.temperature for s in batch],
            top_p=[s.request.top_p for s in batch],
            uniform=[float(s.random.random()) for s in batch],
        )
        for session, fed, token, logprob in zip(batch, feed, tokens, logprobs, strict=True):
            session.tokens.append(fed)
            session.sampled.append(token)
            session.logprobs.append(logprob)

    def _region_of(self, batch: Sequence[Session], starts: list[int], news: list[list[int]]) -> Region:
        rows, columns, positions = [], [], []
        for row, (start, new) in enumerate(zip(starts, news, strict=True)):
            rows += [row] * len(new)
            columns += range(len(new))
            positions += range(start, start + len(new))
        return Region(
            slots=torch.tensor([s.slot for s in batch], device=self._device),
            rows=torch.tensor(rows, device=self._device),
            columns=torch.tensor(columns, device=self._device),
            positions=torch.tensor(positions, device=self._device),
            length=max(positions) + 1,
        )

    def _forward(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, region: Region, *, logits: bool = True
    ) -> torch.Tensor:
        self._cache.enter(region)
        module = self._copy.module if logits else self._copy.module.base_model
        output = module(
            input_ids=ids.to(self._device),
            position_ids=positions.to(self._device),
            attention_mask=mask.to(self._device),
            past_key_values=self._cache,
            use_cache=True,
        )
        return output.logits if logits else output.last_hidden_state


def prefill_batches(sessions: Iterable[Session]) -> Iterator[list[Session]]:
    """Sessions with a prompt to compute, those of about equal length together, as many a pass as its memory allows."""
    pending = sorted((s for s in sessions if s.num_left > 1), key=lambda s: (s.num_left, s.slot))
    while pending:
        batch = [pending.pop(0)]
        while pending:
            width = pending[0].num_left
            padding = (width - batch[-1].num_left) * len(batch)
            if padding > PREFILL_PADDING or width * (len(batch) + 1) > PREFILL_TOKENS:
                break
            batch.append(pending.pop(0))
        yield batch
