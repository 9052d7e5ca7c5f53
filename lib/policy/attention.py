"""Attention over a key/value cache without repeating grouped heads, and over a forest of prefixes.

Registered with transformers under the name ``ropewalk``. Three cases: no mask (one sequence, plain causal
attention), an explicit boolean mask (decoding and extending against a cache), and a forest, which training
passes as an argument of the model. Knows nothing of episodes.
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


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,  # [rows, heads, new, width]
    key: torch.Tensor,  # [rows, key_heads, length, width]
    value: torch.Tensor,  # [rows, key_heads, length, width]
    attention_mask: torch.Tensor | None,  # bool [rows, 1, new, length], true where attended; None is causal
    scaling: float | None = None,
    dropout: float = 0.0,
    forest: Forest | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Return the attended values ``[rows, new, heads, width]``, in the value's precision."""
    rows, heads, new, width = query.shape
    key_heads = key.shape[1]
    groups = heads // key_heads
    query, key = query.to(value.dtype), key.to(value.dtype)
    if forest is not None:
        return _over_forest(query, key, value, forest, scaling, dropout)[None], None
    if attention_mask is None:
        if groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        output = attend(query, key, value, dropout_p=dropout, is_causal=new > 1, scale=scaling)
        return output.transpose(1, 2).contiguous(), None
    # The queries of the heads that share a key head become further rows of one product, so that
    # the cache is read once and never copied.
    packed = query.reshape(rows, key_heads, groups * new, width)
    if new == 1 and key.device.type == "cpu" and key.is_contiguous() and value.is_contiguous():
        return _of_one_query(packed, key, value, attention_mask, scaling).reshape(rows, 1, heads, width), None
    mask = attention_mask if groups == 1 or new == 1 else attention_mask.repeat(1, 1, groups, 1)
    output = attend(packed, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling)
    return output.reshape(rows, heads, new, width).transpose(1, 2).contiguous(), None


def _of_one_query(
    packed: torch.Tensor,  # [rows, key_heads, groups, width]
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,  # [rows, 1, 1, length]
    scaling: float | None,
) -> torch.Tensor:
    """A decoding step as two products over all rows, for CPUs.

    Torch's kernel takes each head of each row by itself, which for a single query takes twice as long.
    """
    rows, key_heads, groups, width = packed.shape
    scale = width**-0.5 if scaling is None else scaling
    scores = torch.bmm(packed.flatten(0, 1), key.flatten(0, 1).transpose(1, 2)).float()
    scores = scores.mul_(scale).view(rows, key_heads * groups, -1).masked_fill_(~mask[:, 0], float("-inf"))
    weights = scores.softmax(dim=-1).to(value.dtype).view(rows * key_heads, groups, -1)
    return torch.bmm(weights, value.flatten(0, 1)).view(rows, key_heads * groups, width)


def _over_forest(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, forest: Forest, scaling: float | None, dropout: float
) -> torch.Tensor:
    """Attended values ``[nodes, heads, width]`` of one row of nodes."""
    heads, width = query.shape[1], query.shape[3]
    groups = heads // key.shape[1]
    blocks, block = forest.queries.shape
    packed = _gather(query, forest.queries).reshape(blocks, key.shape[1], groups * block, width)
    # A node is a key of many blocks: its gradient is summed in float32.
    keys, values = (_gather(tensor.float(), forest.keys).to(value.dtype) for tensor in (key, value))
    mask = forest.mask if groups == 1 else forest.mask.repeat(1, 1, groups, 1)
    output = attend(packed, keys, values, attn_mask=mask, dropout_p=dropout, scale=scaling)
    by_query = output.reshape(blocks, heads, block, width).transpose(1, 2).reshape(blocks * block, heads, width)
    return by_query.index_select(0, forest.rows)


def _gather(tensor: torch.Tensor, nodes: torch.Tensor) -> torch.Tensor:
    """``[1, heads, nodes, width]`` -> ``[blocks, heads, chosen, width]``."""
    chosen = tensor[0].transpose(0, 1).flatten(1).index_select(0, nodes.flatten())
    return chosen.view(*nodes.shape, tensor.shape[1], tensor.shape[3]).transpose(1, 2)


AttentionInterface.register(NAME, grouped_attention)
