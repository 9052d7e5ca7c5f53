"""Attention over a key/value cache without repeating grouped heads, and over a forest of prefixes.

Registered with transformers under the name ``ropewalk``. Three cases: no mask (one sequence, plain causal
attention), an explicit boolean mask over sequences that lie one after the other in a single row (decoding and
extending against a cache), and a forest; where these lie is an argument of the model. Knows nothing of episodes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from transformers import AttentionInterface

NAME = "ropewalk"
attend = torch.nn.functional.scaled_dot_product_attention


@dataclass(frozen=True)
class Forest:
    """Which nodes attend to which, block by block: the nodes of a block lie one below the other on one path.

    A node attends to its ancestors and itself, a small part of all nodes; a mask over all pairs would have
    most of the products computed for nothing. Shorter blocks and paths are padded with node 0.
    """

    queries: torch.Tensor  # [blocks, block] nodes
    keys: torch.Tensor  # [blocks, longest] nodes from the root down to the block's last
    mask: torch.Tensor  # bool [blocks, 1, block, longest], true where attended
    rows: torch.Tensor  # [nodes] where each node stands among the queries, counted through

    def to(self, device: torch.device) -> Forest:
        return Forest(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class Ragged:
    """Where the new tokens of many sequences stand that come as a single row, those of one after those of another."""

    rows: torch.Tensor  # [tokens] sequence of each token
    columns: torch.Tensor  # [tokens] which of its sequence's new tokens it is
    width: int  # new tokens of the sequence that has most


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,  # [rows, heads, new, width]; of a ragged or a forest's row [1, heads, tokens, width]
    key: torch.Tensor,  # [rows, key_heads, length, width]
    value: torch.Tensor,  # [rows, key_heads, length, width]
    attention_mask: torch.Tensor | None,  # bool [rows, 1, new, length], true where attended; None is causal
    scaling: float | None = None,
    dropout: float = 0.0,
    forest: Forest | None = None,
    ragged: Ragged | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return the attended values ``[rows, new, heads, width]``, in the value's precision."""
    query, key = query.to(value.dtype), key.to(value.dtype)
    if forest is not None:
        return _over_forest(query, key, value, forest, scaling, dropout)[None], None
    if ragged is not None:
        return _over_ragged(query, key, value, attention_mask, ragged, scaling, dropout)[None], None
    if attention_mask is not None:
        output = _attend_masked(query, key, value, attention_mask, scaling, dropout)
    else:
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        output = attend(query, key, value, dropout_p=dropout, is_causal=query.shape[2] > 1, scale=scaling)
    return output.transpose(1, 2).contiguous(), None


def _attend_masked(
    query: torch.Tensor,  # [rows, heads, new, width]
    key: torch.Tensor,  # [rows, key_heads, length, width]
    value: torch.Tensor,  # [rows, key_heads, length, width]
    mask: torch.Tensor,  # bool [rows, 1, new, length]
    scaling: float | None,
    dropout: float,
) -> torch.Tensor:
    """Attended values ``[rows, heads, new, width]``.

    The queries of the heads that share a key head become further rows of one product, so that the keys are read once
    and never copied. On a CPU two products over all rows take half the time of torch's kernel, which takes each head
    of each row by itself.
    """
    rows, heads, new, width = query.shape
    key_heads, length = key.shape[1:3]
    groups = heads // key_heads
    if query.device.type != "cpu":
        packed = query.reshape(rows, key_heads, groups * new, width)
        wide = mask if groups == 1 or new == 1 else mask.repeat(1, 1, groups, 1)
        return attend(packed, key, value, attn_mask=wide, dropout_p=dropout, scale=scaling).view(query.shape)
    query = query * (width**-0.5 if scaling is None else scaling)
    packed = query.reshape(rows * key_heads, groups * new, width)
    scores = torch.bmm(packed, key.flatten(0, 1).transpose(1, 2)).view(rows, heads, new, length)
    bias = torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, float("-inf"))
    weights = torch.nn.functional.dropout(torch.softmax(scores + bias, dim=-1), dropout)
    return torch.bmm(weights.view(*packed.shape[:2], length), value.flatten(0, 1)).view(query.shape)


def _over_ragged(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    ragged: Ragged,
    scaling: float | None,
    dropout: float,
) -> torch.Tensor:
    """Attended values ``[tokens, heads, width]``; only here are short sequences padded, as reading keys costs most."""
    heads, _, width = query.shape[1:]
    if ragged.width == 1:  # a token a sequence
        return _attend_masked(query.transpose(0, 2), key, value, mask, scaling, dropout)[:, :, 0]
    queries = query.new_zeros(len(key), ragged.width, heads, width)
    queries[ragged.rows, ragged.columns] = query[0].transpose(0, 1)
    output = _attend_masked(queries.transpose(1, 2), key, value, mask, scaling, dropout)
    return output.transpose(1, 2)[ragged.rows, ragged.columns]


def _over_forest(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, forest: Forest, scaling: float | None, dropout: float
) -> torch.Tensor:
    """Attended values ``[nodes, heads, width]`` of one row of nodes."""
    queries = _gather(query, forest.queries)
    # A node is a key of many blocks: its gradient is summed in float32.
    keys, values = (_gather(tensor.float(), forest.keys).to(value.dtype) for tensor in (key, value))
    output = _attend_masked(queries, keys, values, forest.mask, scaling, dropout)
    return output.transpose(1, 2).flatten(0, 1).index_select(0, forest.rows)


def _gather(tensor: torch.Tensor, nodes: torch.Tensor) -> torch.Tensor:
    """``[1, heads, nodes, width]`` -> ``[blocks, heads, chosen, width]``."""
    chosen = tensor[0].transpose(0, 1).flatten(1).index_select(0, nodes.flatten())
    return chosen.view(*nodes.shape, tensor.shape[1], tensor.shape[3]).transpose(1, 2)


AttentionInterface.register(NAME, grouped_attention)
