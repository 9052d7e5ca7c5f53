"""How much of a policy's attention lies on its images while an episode goes on.

IMAgent's motive for its tools (arXiv 2512.08980) is that a vision-language model looks ever less at images the longer
it writes. In: episodes of one policy. Out: for each fifth of what it wrote, the share of its attention that falls on
patches, mean over layers and heads, and the patches' share of what could be attended to. How it is measured is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from transformers import AttentionInterface

from lib.learning.action_logprobs import ActionLogProbs
from lib.learning.token_batch import Sample, make_micro_batches
from lib.policy import attention
from lib.policy.image_encoder import ImageEncoder
from lib.rollout.episode import read_image

FIFTHS = 5
NAME = "ropewalk_watched"
QUERIES = 256  # rows whose weights are held at once; bounds memory


@dataclass
class _Watch:
    """What is looked for in one pass, and what each layer has given."""

    patches: torch.Tensor  # bool [tokens]
    shares: list[torch.Tensor] = field(default_factory=list)  # a layer: [tokens], mean over heads


_watch: ContextVar[_Watch] = ContextVar("watch")


class ImageAttention:
    """For one model, whose attention it replaces as long as it measures."""

    def __init__(self, model: torch.nn.Module, encoder: ImageEncoder):
        self._model, self._encoder = model, encoder
        self._logprobs = ActionLogProbs(model, dtype=torch.float32)

    @torch.no_grad()
    def by_fifth(self, episode: dict) -> np.ndarray:
        """``[2, 5]``: shares of attention, and of tokens that are patches; of a row of data_contracts.episodes."""
        images = tuple(map(read_image, episode["images"] or ()))
        tokens = episode["tokens"]
        sample = Sample(tokens, episode["action_mask"], [0.0] * len(tokens), images=images)
        (batch,) = make_micro_batches([sample], max_nodes=len(tokens), encoder=self._encoder)
        patches = torch.zeros(len(tokens), dtype=torch.bool)
        if batch.images is not None:
            patches[batch.images.nodes] = True
        device = next(self._model.parameters()).device
        with self._watched(), _set(_Watch(patches.to(device))) as watch:
            self._logprobs(batch.to(device))
        written = np.flatnonzero(episode["action_mask"])
        attended = torch.stack(watch.shares).mean(dim=0).float().cpu().numpy()[written]
        seen = patches.numpy().cumsum()[written] / (1 + written)
        return np.array([[part.mean() for part in np.array_split(values, FIFTHS)] for values in (attended, seen)])

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self._model.set_attn_implementation({"text_config": NAME, "vision_config": "sdpa"})
        try:
            yield
        finally:
            self._model.set_attn_implementation({"text_config": attention.NAME, "vision_config": "sdpa"})


@contextmanager
def _set(watch: _Watch) -> Iterator[_Watch]:
    token = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(token)


def _attend_and_watch(
    module: torch.nn.Module,
    query: torch.Tensor,  # [1, heads, tokens, width]
    key: torch.Tensor,  # [1, key_heads, tokens, width]
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **more: object,
) -> tuple[torch.Tensor, None]:
    """Causal attention over one sequence, its weights on patches noted."""
    watch = _watch.get()
    tokens = query.shape[2]
    keys = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    places = torch.arange(tokens, device=query.device)
    shares = []
    for rows in places.split(QUERIES):
        scores = (query[:, :, rows] @ keys.transpose(2, 3)).float() * scale
        weights = scores.masked_fill(places[None] > rows[:, None], -torch.inf).softmax(dim=-1)
        shares.append(weights[0, :, :, watch.patches].sum(dim=-1).mean(dim=0))
    watch.shares.append(torch.cat(shares))
    return attention.grouped_attention(module, query, key, value, attention_mask, scaling, **more)


AttentionInterface.register(NAME, _attend_and_watch)


def watched_questions(episodes: pa.Table, number: int) -> pa.Array:
    """The first questions at which a tool is called; where none is called anywhere, the first of all."""
    calling = episodes.filter(pc.greater(pc.list_value_length(episodes["tool_calls"]), 0))
    return (calling if calling.num_rows else episodes)["question_id"].slice(0, number).combine_chunks()
